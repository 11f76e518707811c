import math

import pytest
import torch

from nanobrag_torch.physics.lattice_factor import LATTICE_FACTORS, Domain
from nanobrag_torch.physics.unit_cell import reciprocal_vectors

CELLS = torch.tensor([6.0, 5.0, 4.0], dtype=torch.float64)
STARS = torch.tensor([[0.02, 0.0, 0.0], [0.001, 0.018, 0.0], [0.002, 0.003, 0.015]], dtype=torch.float64)
FUDGE = torch.tensor(1.3, dtype=torch.float64)
NONE, ONE = torch.zeros(3, dtype=torch.float64), torch.ones((), dtype=torch.float64)
INDEX, C = Domain(CELLS, NONE, STARS, FUDGE), Domain(CELLS, NONE, STARS, FUDGE, "c")
PLAIN = Domain(torch.tensor([12.0, 12.0, 11.0], dtype=torch.float64), NONE, STARS, ONE)


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
    ("shape", "want"), [("square", 120.0), ("round", 120.0 * 0.723601254558268), ("gauss", 120.0), ("tophat", 120.0),
     ("gauss_star", 120.0)],
)  # fmt: skip
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


def tilted(lengths, fudge=ONE):
    """A domain of other lengths along other orthogonal axes of the index, which are the rows that come with it."""
    axes = torch.linalg.qr(torch.tensor([[1.0, 0.2, 0.4], [0.3, 2.0, 0.1], [0.5, 0.7, 1.5]], dtype=torch.float64))[0].T
    matrix = axes.T @ torch.diag(torch.tensor(lengths, dtype=torch.float64)) @ axes
    offdiagonal = torch.stack([matrix[0, 1], matrix[1, 2], matrix[0, 2]])
    return Domain(matrix.diagonal(), offdiagonal, STARS, fudge), axes


def test_a_domain_matrix_gives_a_spot_its_width_along_each_of_its_own_axes():
    lengths = (20.0, 12.0, 9.0)
    domain, axes = tilted(lengths)
    peak = factor("gauss", 0.0, 0.0, 0.0, domain=domain).item()
    assert peak == pytest.approx(20.0 * 12.0 * 9.0, rel=1e-13)
    for axis, length in zip(axes, lengths, strict=True):
        half = factor("gauss", *(axis * 0.93454 / 2 / length).tolist(), domain=domain).item() ** 2
        assert half == pytest.approx(peak**2 / 2, rel=1e-5)
        assert factor("tophat", *(axis * 0.999 * 0.63 / length).tolist(), domain=domain).item() > 0
        assert factor("tophat", *(axis * 1.001 * 0.63 / length).tolist(), domain=domain).item() == 0


def test_the_integral_of_a_tilted_gaussian_is_in_proportion_to_the_determinant_of_its_matrix():
    domain, _ = tilted((20.0, 12.0, 9.0))
    line = (torch.arange(144, dtype=torch.float64) + 0.5) / 144 - 0.5
    h, k, l = torch.meshgrid(line, line, line, indexing="ij")
    integral = (LATTICE_FACTORS["gauss"](h, k, l, domain) ** 2).sum().item() / 144**3
    assert integral / (20.0 * 12.0 * 9.0) == pytest.approx((math.pi * 0.63 / 2) ** 1.5, rel=1e-9)


def reciprocal(*cell: float) -> torch.Tensor:
    lengths, angles = torch.tensor(cell, dtype=torch.float64).split(3)
    return reciprocal_vectors(lengths, torch.deg2rad(angles), "exact")


@pytest.mark.parametrize(
    ("group", "cell"),
    [
        ("P 21 21 21", (34.8, 39.2, 48.3, 90.0, 90.0, 90.0)),
        ("P 43 21 2", (79.0, 79.0, 37.0, 90.0, 90.0, 90.0)),
        ("P 61 2 2", (93.0, 93.0, 130.0, 90.0, 90.0, 120.0)),
        ("P 1 21 1", (50.0, 40.0, 60.0, 90.0, 105.0, 90.0)),
        ("F 4 3 2", (80.0, 80.0, 80.0, 90.0, 90.0, 90.0)),
    ],
)
def test_a_spot_that_is_round_in_reciprocal_space_is_that_of_all_its_symmetry_mates(group, cell):
    gemmi = pytest.importorskip("gemmi")
    domain = Domain(torch.tensor([9.0, 14.0, 11.0], dtype=torch.float64), NONE, reciprocal(*cell), ONE)
    given = torch.tensor([0.011, -0.023, 0.017], dtype=torch.float64)
    operations = list(gemmi.SpaceGroup(group).operations().sym_ops)
    mates = [given @ torch.tensor(op.rot, dtype=torch.float64) / op.DEN for op in operations]
    values = [factor("gauss_star", *mate.tolist(), domain=domain).item() for mate in mates]
    others = [factor("gauss", *mate.tolist(), domain=domain).item() for mate in mates]
    assert len(values) == len(operations) > 1
    assert values == pytest.approx([values[0]] * len(values), rel=1e-12) and 0.1 < values[0] / (9 * 14 * 11) < 0.9
    if len(operations) > 4:  # operations that interchange axes of the cell, along which the domain has other lengths
        assert max(others) > 1.01 * min(others)


def test_a_spot_that_is_round_in_reciprocal_space_is_that_of_the_primitive_setting():
    conventional = reciprocal(50.0, 70.0, 90.0, 90.0, 100.0, 90.0)
    primitive = torch.tensor([[0.5, -0.5, 0.0], [0.5, 0.5, 0.0], [0.0, 0.0, 1.0]], dtype=torch.float64)
    stars = torch.linalg.inv(primitive).T @ conventional
    one = Domain(torch.tensor([8.0, 9.0, 10.0], dtype=torch.float64), NONE, conventional, ONE)
    two = Domain(torch.tensor([16.0, 10.0, 9.0], dtype=torch.float64), NONE, stars, ONE)
    delta = torch.tensor([0.02, -0.01, 0.03], dtype=torch.float64)
    same = primitive @ delta  # the same point of reciprocal space
    first = factor("gauss_star", *delta.tolist(), domain=one).item() / one.cells.prod().item()
    second = factor("gauss_star", *same.tolist(), domain=two).item() / two.cells.prod().item()
    assert 0.1 < first < 0.9 and second == pytest.approx(first, rel=1e-12)


def test_the_two_gaussians_are_one_in_a_cubic_crystal_of_equal_numbers_of_cells():
    domain = Domain(torch.full((3,), 12.0, dtype=torch.float64), NONE, torch.eye(3, dtype=torch.float64) / 77.0, FUDGE)
    values = [factor(shape, 0.03, -0.02, 0.01, domain=domain).item() for shape in ("gauss", "gauss_star")]
    assert values[0] == pytest.approx(values[1], rel=1e-13) and values[0] > 1


@pytest.mark.parametrize("shape", ["square", "round", "gauss", "gauss_star"])
def test_the_gradient_at_the_peak_vanishes_and_is_finite(shape):
    index = [torch.zeros((), dtype=torch.float64, requires_grad=True) for _ in range(3)]
    cells = CELLS.clone().requires_grad_(True)
    value = LATTICE_FACTORS[shape](*index, Domain(cells, NONE, STARS, FUDGE))
    slopes = torch.autograd.grad(value, (*index, cells))
    assert [s.item() for s in slopes[:3]] == [0.0, 0.0, 0.0]
    assert torch.allclose(slopes[3], value.detach() / CELLS, rtol=1e-12)
