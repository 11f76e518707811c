import math

import pytest
import torch

from nanobrag_torch.physics.lattice_factor import LATTICE_FACTORS

CELLS = torch.tensor([6.0, 5.0, 4.0], dtype=torch.float64)
STARS = torch.tensor([[0.02, 0.0, 0.0], [0.001, 0.018, 0.0], [0.002, 0.003, 0.015]], dtype=torch.float64)
FUDGE = torch.tensor(1.3, dtype=torch.float64)


def factor(shape: str, *index: float) -> torch.Tensor:
    return LATTICE_FACTORS[shape](*(torch.tensor(x, dtype=torch.float64) for x in index), CELLS, STARS, FUDGE)


@pytest.mark.parametrize(
    ("shape", "want"), [("square", 120.0), ("round", 120.0 * 0.723601254558268), ("gauss", 120.0), ("tophat", 120.0)]
)
def test_a_bragg_peak_is_as_strong_as_the_crystal_has_cells(shape, want):
    assert factor(shape, 0.0, 0.0, 0.0).item() == pytest.approx(want, rel=1e-15)


def test_a_sphere_falls_off_as_the_transform_of_a_ball():
    x = math.pi * math.sqrt(((0.1 * 6) ** 2 + (0.05 * 5) ** 2 + (0.2 * 4) ** 2) * 1.3)
    want = 120 * 0.723601254558268 * 3 * (math.sin(x) / x - math.cos(x)) / x**2
    assert factor("round", 0.1, 0.05, 0.2).item() == pytest.approx(want, rel=1e-13)


def test_a_gaussian_falls_off_with_the_distance_in_reciprocal_space():
    d = 0.001 * STARS[0] + 0.002 * STARS[1] - 0.003 * STARS[2]
    r2 = d.dot(d).item() * 120.0**2
    assert factor("gauss", 0.001, 0.002, -0.003).item() == pytest.approx(120 * math.exp(-r2 / 0.63 * 1.3), rel=1e-13)


def test_a_tophat_is_full_within_its_radius_and_empty_outside():
    edge = math.sqrt(0.3969 / 1.3) / 120.0 / STARS[0].norm().item()
    assert factor("tophat", 0.999 * edge, 0.0, 0.0).item() == 120.0
    assert factor("tophat", 1.001 * edge, 0.0, 0.0).item() == 0.0


@pytest.mark.parametrize("shape", ["square", "round", "gauss"])
def test_the_gradient_at_the_peak_vanishes_and_is_finite(shape):
    index = [torch.zeros((), dtype=torch.float64, requires_grad=True) for _ in range(3)]
    cells = CELLS.clone().requires_grad_(True)
    value = LATTICE_FACTORS[shape](*index, cells, STARS, FUDGE)
    slopes = torch.autograd.grad(value, (*index, cells))
    assert [s.item() for s in slopes[:3]] == [0.0, 0.0, 0.0]
    assert torch.allclose(slopes[3], value.detach() / CELLS, rtol=1e-12)
