"""The unit cell, against gemmi and against what the C program is known to do with triclinic cells."""

import math

import gemmi
import pytest
import torch

from nanobrag_torch.physics.unit_cell import cell_parameters, direct_vectors, reciprocal_vectors, volume

TRICLINIC = ([70.0, 80.0, 90.0], [75.0, 85.0, 95.0])


def lengths_and_angles(cell):
    return torch.tensor(cell[0], dtype=torch.float64), torch.deg2rad(torch.tensor(cell[1], dtype=torch.float64))


def built(cell, construction):
    lengths, angles = lengths_and_angles(cell)
    stars = reciprocal_vectors(lengths, angles, construction)
    return direct_vectors(stars, lengths, volume(lengths, angles))


@pytest.mark.parametrize("cell", [TRICLINIC, ([50.0, 60.0, 70.0], [70.0, 110.0, 75.0]), ([100.0] * 3, [60.0] * 3)])
def test_volume_and_reciprocal_cell_agree_with_gemmi(cell):
    reference = gemmi.UnitCell(*cell[0], *cell[1])
    lengths, angles = lengths_and_angles(cell)
    assert volume(lengths, angles).item() == pytest.approx(reference.volume, rel=1e-12)
    star_lengths, star_angles = cell_parameters(reciprocal_vectors(lengths, angles, "exact"))
    want = reference.reciprocal()
    assert star_lengths.tolist() == pytest.approx([want.a, want.b, want.c], rel=1e-12)
    assert torch.rad2deg(star_angles).tolist() == pytest.approx([want.alpha, want.beta, want.gamma], rel=1e-12)


@pytest.mark.parametrize("cell", [TRICLINIC, ([100.0] * 3, [60.0] * 3)])
def test_the_exact_construction_returns_the_cell_that_was_asked_for(cell):
    direct, stars = built(cell, "exact")
    lengths, angles = cell_parameters(direct)
    assert lengths.tolist() == pytest.approx(cell[0], rel=1e-13)
    assert torch.rad2deg(angles).tolist() == pytest.approx(cell[1], rel=1e-12)
    assert torch.allclose(direct @ stars.T, torch.eye(3, dtype=torch.float64), atol=1e-13)


@pytest.mark.parametrize(
    ("cell", "bent"),
    [
        (TRICLINIC, [75.0391, 85.0136, 95.0081]),
        (([100.0] * 3, [60.0] * 3), [57.849, 57.849, 58.5252]),
        (([50.0, 60.0, 70.0], [70.0, 110.0, 75.0]), [71.1715, 108.828, 73.9132]),
    ],
)
def test_the_c_construction_keeps_lengths_and_bends_angles_as_the_c_program_prints_them(cell, bent):
    direct, _ = built(cell, "c")
    lengths, angles = cell_parameters(direct)
    assert lengths.tolist() == pytest.approx(cell[0], rel=1e-13)
    assert torch.rad2deg(angles).tolist() == pytest.approx(bent, abs=6e-4)


@pytest.mark.parametrize("angles", [[90.0, 90.0, 90.0], [90.0, 104.0, 90.0], [90.0, 90.0, 120.0]])
def test_both_constructions_agree_where_two_angles_are_right(angles):
    cell = ([70.0, 80.0, 90.0], angles)
    assert torch.allclose(built(cell, "c")[0], built(cell, "exact")[0], rtol=0, atol=1e-11)


def test_a_cubic_cell_has_a_finite_gradient_in_every_angle_where_cosines_vanish():
    lengths = torch.full((3,), 100.0, dtype=torch.float64)
    angles = torch.full((3,), math.pi / 2, dtype=torch.float64, requires_grad=True)
    slopes = {}
    for construction in ("c", "exact"):
        stars = reciprocal_vectors(lengths, angles, construction)
        direct, _ = direct_vectors(stars, lengths, volume(lengths, angles))
        weights = torch.arange(9, dtype=torch.float64).reshape(3, 3)
        (slopes[construction],) = torch.autograd.grad((weights * direct).sum(), angles)
    assert (slopes["exact"].abs() > 1).sum() >= 2 and torch.isfinite(slopes["exact"]).all()
    assert torch.allclose(slopes["c"], slopes["exact"], rtol=1e-12, atol=1e-9)


def test_a_left_handed_matrix_has_a_negative_volume_and_dual_vectors():
    stars = torch.tensor([[0.01, 0.0, 0.001], [0.0, -0.012, 0.0], [0.0, 0.0, 0.011]], dtype=torch.float64)
    direct, again = direct_vectors(stars)
    assert torch.dot(direct[0], torch.linalg.cross(direct[1], direct[2])).item() < 0
    assert torch.allclose(direct @ stars.T, torch.eye(3, dtype=torch.float64), atol=1e-12)
    assert torch.allclose(again, stars, atol=1e-15)
