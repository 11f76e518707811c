"""The singular forms, at the singular point and around it, in value and in gradient."""

import math

import pytest
import torch

from nanobrag_torch.physics.safe import SINE_BEND, fraction, grating, sine_bend, sphere, sphere_slope, unit

AROUND_ZERO = [0.0, *(sign * size for size in (1e-12, 1e-9, 1e-7, 1e-3) for sign in (-1, 1))]


def dirichlet(delta: float, n: int) -> tuple[float, float]:
    """The grating and its derivative by a sum of cosines, which has no pole."""
    u = math.pi * delta
    if n % 2:
        orders = [2 * m for m in range(1, (n - 1) // 2 + 1)]
        value = 1 + sum(2 * math.cos(k * u) for k in orders)
    else:
        orders = [2 * m - 1 for m in range(1, n // 2 + 1)]
        value = sum(2 * math.cos(k * u) for k in orders)
    return value, math.pi * sum(-2 * k * math.sin(k * u) for k in orders)


@pytest.mark.parametrize("n", [1, 2, 5, 10, 101])
@pytest.mark.parametrize("delta", [*AROUND_ZERO, 0.0031, 0.05 / math.pi / 5, 0.2, 0.4999, 0.5])
def test_the_grating_equals_its_sum_of_cosines(delta, n):
    d = torch.tensor(delta, dtype=torch.float64, requires_grad=True)
    value = grating(d, torch.tensor(float(n), dtype=torch.float64))
    (slope,) = torch.autograd.grad(value, d)
    want, want_slope = dirichlet(delta, n)
    assert value.item() == pytest.approx(want, abs=1e-13 * n)
    assert slope.item() == pytest.approx(want_slope, abs=2e-11 * n**2 * math.pi)


def test_the_grating_at_the_bragg_peak_is_n_with_zero_slope_and_known_curvature():
    d = torch.zeros((), dtype=torch.float64, requires_grad=True)
    n = torch.tensor(7.0, dtype=torch.float64)
    value = grating(d, n)
    (slope,) = torch.autograd.grad(value, d, create_graph=True)
    (curvature,) = torch.autograd.grad(slope, d)
    assert value.item() == 7.0 and slope.item() == 0.0
    assert curvature.item() == pytest.approx(-(math.pi**2) * 7 * (49 - 1) / 3, rel=1e-13)


@pytest.mark.parametrize("delta", [0.0, 1e-9, 0.003, 0.13, 0.5])
def test_the_grating_has_the_known_slope_in_a_real_number_of_cells(delta):
    n = torch.tensor(5.3, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(grating(torch.tensor(delta, dtype=torch.float64), n), n)
    u = math.pi * delta
    assert slope.item() == pytest.approx(1.0 if u == 0 else u * math.cos(5.3 * u) / math.sin(u), rel=1e-9)


def test_nearest_integers_send_halves_down_and_leave_an_exact_remainder():
    h = torch.tensor([-1.5, -0.5, 0.5, 1.5, 2.4999, 7.0], dtype=torch.float64, requires_grad=True)
    whole, remainder = fraction(h)
    assert whole.tolist() == [-2.0, -1.0, 0.0, 1.0, 2.0, 7.0]
    assert torch.equal(whole + remainder.detach(), h.detach())
    (slope,) = torch.autograd.grad(remainder.sum(), h)
    assert slope.tolist() == [1.0] * 6


@pytest.mark.parametrize("y", [0.0, 1e-12, 1e-9, 1e-7, 1e-3, 0.2499999, 0.2500001, 4.0, 400.0])
def test_the_sphere_equals_its_closed_form_in_value_and_slope(y):
    """The closed form in 60 digits, where mpmath is not needed: a Taylor sum with exact coefficients."""
    x2 = torch.tensor(y, dtype=torch.float64, requires_grad=True)
    value = sphere(x2)
    (slope,) = torch.autograd.grad(value, x2)
    if y < 30:
        terms = [3 * (-1) ** k * (2 * k + 2) / math.factorial(2 * k + 3) for k in range(40)]
        want = sum(t * y**k for k, t in enumerate(terms))
        want_slope = sum(k * t * y ** (k - 1) for k, t in enumerate(terms) if k)
    else:
        x = math.sqrt(y)
        want = 3 * (math.sin(x) / x - math.cos(x)) / y
        want_slope = -1.5 * ((3 / x**3 - 1 / x) * math.sin(x) - 3 * math.cos(x) / x**2) / x / y * x
    assert value.item() == pytest.approx(want, rel=1e-12)
    assert slope.item() == pytest.approx(want_slope, rel=1e-10)


def test_a_unit_vector_of_a_zero_vector_is_zero_with_zero_gradient():
    v = torch.tensor([[3.0, 0.0, 4.0], [0.0, 0.0, 0.0]], dtype=torch.float64, requires_grad=True)
    u = unit(v)
    (slope,) = torch.autograd.grad(u.sum(), v)
    assert u.tolist() == [pytest.approx([0.6, 0.0, 0.8]), [0.0, 0.0, 0.0]]
    assert torch.isfinite(slope).all() and slope[0].abs().sum() > 0 and slope[1].abs().sum() == 0


def test_the_slope_of_a_sphere_is_its_derivative():
    y = torch.tensor([0.0, 1e-9, 0.01, 0.2499, 0.2501, 1.0, 20.19, 300.0], dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(sphere(y).sum(), y)
    assert slope.abs().min() > 0
    assert torch.allclose(sphere_slope(y.detach()), slope, rtol=1e-12)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 5e-14), (torch.float32, 1e-6)])
def test_the_bend_of_a_sine_equals_its_power_series(dtype, tolerance):
    """sin(pi x)/x - pi cos(pi x) = sum of (-1)^m pi^(2m+1) x^(2m) [1/(2m+1)! - 1/(2m)!] over m >= 1."""
    assert dtype in SINE_BEND
    y = torch.tensor([0.0, 1e-20, 1e-6, 1e-3, 0.04, 0.17, 0.25], dtype=dtype)
    want = sum(
        (-1) ** m * math.pi ** (2 * m + 1) * (1 / math.factorial(2 * m + 1) - 1 / math.factorial(2 * m))
        * y.to(torch.float64) ** (m - 1)
        for m in range(1, 20)
    )  # fmt: skip
    assert sine_bend(y).dtype == dtype
    assert torch.allclose(sine_bend(y).to(torch.float64), want, rtol=tolerance)
