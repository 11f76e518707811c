"""The functions that the compiled loops evaluate by polynomials, against mpmath."""

import math

import mpmath
import numpy as np
import pytest
from numba import njit

from nanobrag_torch.kernel.numba_engine.exponential import exponential
from nanobrag_torch.kernel.numba_engine.shapes import sphere
from nanobrag_torch.kernel.numba_engine.trigonometry import sine_bend, sine_quotient


@njit
def exponentials(x, out):
    for i in range(x.size):
        out[i] = exponential(x[i])


@njit
def spheres(y, value, slope):
    for i in range(y.size):
        value[i], slope[i] = sphere(y[i])


@njit
def sines(y, quotient, bend):
    for i in range(y.size):
        quotient[i], bend[i] = sine_quotient(y[i]), sine_bend(y[i])


@pytest.mark.parametrize(("dtype", "lowest", "error"), [(np.float64, -700.0, 4e-16), (np.float32, -86.0, 2e-7)])
def test_the_exponential_is_that_of_mpmath(dtype, lowest, error):
    x = np.concatenate([np.linspace(lowest, 3, 4001), [0.0, -1e-30, -0.34657, 0.34657]]).astype(dtype)
    out = np.empty_like(x)
    exponentials(x, out)
    exact = np.array([float(mpmath.exp(float(value))) for value in x])
    assert np.abs(out.astype(np.float64) / exact - 1).max() < error
    assert exponential(dtype(0)) == 1


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_the_exponential_ends_at_zero_and_keeps_nan(dtype):
    x = np.array([-1e4, -np.inf, -750.0, np.nan, 0.0], dtype=dtype)
    out = np.empty_like(x)
    exponentials(x, out)
    assert out[:3].tolist() == [0, 0, 0]
    assert np.isnan(out[3]) and out[4] == 1


def exact_sphere(y: float) -> tuple[float, float]:
    """3 (sin x/x - cos x)/x^2 with x^2 = y, and its derivative against y."""
    with mpmath.workdps(60):
        x = mpmath.sqrt(mpmath.mpf(y))
        sine, cosine = mpmath.sin(x), mpmath.cos(x)
        value = 3 * (sine / x - cosine) / x**2
        return float(value), float((3 * sine / (2 * x) - 3 * value / 2) / x**2)


def test_the_sphere_and_its_slope_are_those_of_mpmath_from_the_centre_to_far_out():
    near = [1e-20, 0.2499999, 0.25, 0.2500001, 4.493409457909064**2]
    y = np.concatenate([near, np.geomspace(1e-8, 1e9, 2001)])
    value, slope = np.empty_like(y), np.empty_like(y)
    spheres(y, value, slope)
    exact = np.array([exact_sphere(number) for number in y])
    rounded = np.maximum(1, np.sqrt(y))  # the argument of the sine is rounded, too
    envelope = 1 / np.maximum(1, y / 3)
    # Below y = 1/4 both are the formula's series, which ends with y^5.
    assert np.abs((value - exact[:, 0]) / (rounded * envelope)).max() < 1e-14
    assert np.abs((slope - exact[:, 1]) / (rounded * envelope)).max() < 3e-13


def test_the_sphere_is_1_at_the_centre_with_a_slope_of_minus_a_tenth():
    value, slope = np.empty(1), np.empty(1)
    spheres(np.zeros(1), value, slope)
    assert value[0] == 1 and slope[0] == -0.1


@pytest.mark.parametrize(("dtype", "errors"), [(np.float64, (5e-16, 2e-14)), (np.float32, (2e-7, 2e-7))])
def test_the_sines_are_those_of_mpmath_up_to_half_a_turn(dtype, errors):
    y = np.linspace(1e-3, 0.25, 301).astype(dtype)
    quotient, bend = np.empty_like(y), np.empty_like(y)
    sines(y, quotient, bend)
    with mpmath.workdps(30):
        roots = [mpmath.sqrt(float(value)) for value in y]
        exact = np.array([float(mpmath.sinpi(x) / x) for x in roots])
        bent = np.array([float((mpmath.sinpi(x) / x - mpmath.pi * mpmath.cospi(x)) / x**2) for x in roots])
    assert np.abs(quotient / exact - 1).max() < errors[0]
    assert np.abs(bend / bent - 1).max() < errors[1]
    assert sine_quotient(dtype(0)) == pytest.approx(math.pi, rel=1e-7)
