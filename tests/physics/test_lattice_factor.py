import math

import pytest
import torch

from nanobrag_torch.physics.lattice_factor import LATTICE_FACTORS, Domain

CELLS = torch.tensor([6.0, 5.0, 4.0], dtype=torch.float64)
STARS = torch.tensor([[0.02, 0.0, 0.0], [0.001, 0.018, 0.0], [0.002, 0.003, 0.015]], dtype=torch.float64)
FUDGE = torch.tensor(1.3, dtype=torch.float64)
INDEX, C = Domain(CELLS, STARS, FUDGE), Domain(CELLS, STARS, FUDGE, "c")
PLAIN = Domain(torch.tensor([12.0, 12.0, 11.0], dtype=torch.float64), STARS, torch.ones((), dtype=torch.float64))


def factor(shape: str, *index: float, domain: Domain = INDEX) -> torch.Tensor:
    return LATTICE_FACTORS[shape](*(torch.tensor(x, dtype=torch.float64) for x in index), domain)


def width(shape: str, axis: int) -> float:
    """Full width of S^2 at half its maximum along an axis of the index, by bisection."""
    inside, outside, peak = 0.0, 0.5, factor(shape, 0.0, 0.0, 0.0, domain=PLAIN).item() ** 2
    for _ in range(60):
        middle = (inside + outside) / 2
        index = [middle if number == axis else 0.0 for number in range(3)]
        above = factor(shape, *index, domain=PLAIN).item() ** 2 > peak / 2
        inside, outside = (middle, outside) if above else (inside, middle)
    return 2 * inside


@pytest.mark.parametrize(
    ("shape", "want"), [("square", 120.0), ("round", 120.0 * 0.723601254558268), ("gauss", 120.0), ("tophat", 120.0)]
)
def test_a_bragg_peak_is_as_strong_as_the_crystal_has_cells(shape, want):
    assert factor(shape, 0.0, 0.0, 0.0).item() == pytest.approx(want, rel=1e-15)


def test_a_sphere_falls_off_as_the_transform_of_a_ball():
    x = math.pi * math.sqrt(((0.1 * 6) ** 2 + (0.05 * 5) ** 2 + (0.2 * 4) ** 2) * 1.3)
    want = 120 * 0.723601254558268 * 3 * (math.sin(x) / x - math.cos(x)) / x**2
    assert factor("round", 0.1, 0.05, 0.2).item() == pytest.approx(want, rel=1e-13)


def test_a_gaussian_falls_off_with_the_distance_in_cells():
    u2 = (0.01 * 6) ** 2 + (0.02 * 5) ** 2 + (0.03 * 4) ** 2
    assert factor("gauss", 0.01, 0.02, -0.03).item() == pytest.approx(120 * math.exp(-u2 / 0.63 * 1.3), rel=1e-13)


def test_a_gaussian_of_c_falls_off_with_the_distance_in_reciprocal_space():
    d = 0.001 * STARS[0] + 0.002 * STARS[1] - 0.003 * STARS[2]
    want = 120 * math.exp(-d.dot(d).item() * 120.0**2 / 0.63 * 1.3)
    assert factor("gauss", 0.001, 0.002, -0.003, domain=C).item() == pytest.approx(want, rel=1e-13)


def test_a_tophat_is_full_within_its_radius_and_empty_outside():
    for domain, edge in ((INDEX, 0.63 / 6), (C, 0.63 / 120.0 / STARS[0].norm().item())):
        edge /= math.sqrt(1.3)
        assert factor("tophat", 0.999 * edge, 0.0, 0.0, domain=domain).item() == 120.0
        assert factor("tophat", 1.001 * edge, 0.0, 0.0, domain=domain).item() == 0.0


@pytest.mark.parametrize("axis", range(3))
@pytest.mark.parametrize(("shape", "want"), [("gauss", 0.93454), ("tophat", 1.26), ("square", 0.886), ("round", 1.155)])
def test_the_width_at_half_maximum_is_that_of_the_number_of_cells_along_its_axis(shape, want, axis):
    cells = PLAIN.cells[axis].item()
    assert width(shape, axis) * cells == pytest.approx(want, rel=1e-5 if shape in ("gauss", "tophat") else 5e-3)


@pytest.mark.parametrize(
    ("shape", "want", "tolerance"),
    [
        ("gauss", (math.pi * 0.63 / 2) ** 1.5, 1e-12),
        ("tophat", 4 / 3 * math.pi * 0.63**3, 2e-3),
        ("square", 1.0, 1e-12),
    ],
)
def test_the_integral_over_a_peak_is_in_proportion_to_the_cells(shape, want, tolerance):
    points = 144
    line = (torch.arange(points, dtype=torch.float64) + 0.5) / points - 0.5
    if shape == "tophat":  # a sphere: the more points within it the better
        line = line / 8
    h, k, l = torch.meshgrid(line, line, line, indexing="ij")
    step = (line[1] - line[0]).item()
    integral = (LATTICE_FACTORS[shape](h, k, l, PLAIN) ** 2).sum().item() * step**3
    assert integral / PLAIN.cells.prod().item() == pytest.approx(want, rel=tolerance)


@pytest.mark.parametrize("shape", ["square", "round", "gauss"])
def test_the_gradient_at_the_peak_vanishes_and_is_finite(shape):
    index = [torch.zeros((), dtype=torch.float64, requires_grad=True) for _ in range(3)]
    cells = CELLS.clone().requires_grad_(True)
    value = LATTICE_FACTORS[shape](*index, Domain(cells, STARS, FUDGE))
    slopes = torch.autograd.grad(value, (*index, cells))
    assert [s.item() for s in slopes[:3]] == [0.0, 0.0, 0.0]
    assert torch.allclose(slopes[3], value.detach() / CELLS, rtol=1e-12)
