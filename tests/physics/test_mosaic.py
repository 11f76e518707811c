"""Mosaic domains, against matrices of the C program."""

import math

import pytest
import torch

from nanobrag_torch.physics.mosaic import (
    crystal_axes,
    domain_rotations,
    even_normals,
    gaussian_rotations,
    misset_angles,
    rotations,
)
from nanobrag_torch.physics.random import CRandom, rotation_draws
from nanobrag_torch.physics.rotation import matrix_x_y_z

#: Spread 1 degree, default seed: the matrices that the C program draws, the first of which it discards.
DRAWN = [
    [
        [0.999864497525909, 0.0164519085123313, -0.000566827630889827],
        [-0.0164546331791321, 0.999851120059371, -0.00519449352313463],
        [0.000481283909415308, 0.00520311659715268, 0.999986347878547],
    ],
    [
        [0.999863685921936, -0.015948771660075, 0.00427156378103454],
        [0.0159528481003706, 0.999872320169452, -0.000921952516485684],
        [-0.00425631437832795, 0.000989970449528264, 0.999990451827627],
    ],
    [
        [0.999965744385301, 0.00566630833879674, 0.0060334903465162],
        [-0.005733674275452, 0.999920758686324, 0.0112071998049928],
        [-0.00596950879510547, -0.0112414099638654, 0.999918994552443],
    ],
]


@pytest.fixture
def draws() -> torch.Tensor:
    return torch.from_numpy(rotation_draws(CRandom.of_option(12345678), 3))


@pytest.mark.parametrize("single", [False, True])
def test_rotations_are_those_of_the_c_program(draws, single):
    spread = torch.deg2rad(torch.tensor(1.0, dtype=torch.float64))
    assert torch.allclose(rotations(draws, spread, single), torch.tensor(DRAWN, dtype=torch.float64), atol=1e-7, rtol=0)


def test_the_first_domain_is_the_identity_and_the_others_keep_their_draws(draws):
    spread = torch.deg2rad(torch.tensor(1.0, dtype=torch.float64))
    domains = domain_rotations(draws, spread)
    assert torch.equal(domains[0], torch.eye(3, dtype=torch.float64))
    assert torch.equal(domains[1:], rotations(draws, spread)[1:])


@pytest.mark.parametrize("single", [False, True])
@pytest.mark.parametrize("degrees", [0.0, 1.0])
def test_a_spread_turns_about_the_drawn_axis(draws, degrees, single):
    """dU/dm = share * [axis] U, at zero spread too; rounding the angle does not touch the gradient."""
    spread = torch.deg2rad(torch.tensor(degrees, dtype=torch.float64))
    jacobian = torch.autograd.functional.jacobian(lambda m: rotations(draws, m, single), spread)
    generator = jacobian @ rotations(draws, spread, single).transpose(1, 2)
    share = (1 - draws[:, 2] ** 2) ** (1 / 3)
    assert torch.allclose(generator, -generator.transpose(1, 2), atol=1e-9)
    axis = torch.stack([generator[:, 2, 1], generator[:, 0, 2], generator[:, 1, 0]], dim=1)
    assert torch.allclose(axis.norm(dim=1), share, atol=1e-9)


def test_misset_angles_rebuild_their_rotation():
    angles = torch.tensor([0.4, -0.9, 2.1], dtype=torch.float64)
    assert torch.allclose(misset_angles(matrix_x_y_z(angles)), angles, atol=1e-14)


def test_even_points_come_in_pairs_are_those_of_their_seed_and_have_the_moments_of_a_normal_distribution():
    points = even_normals(8192, 7)
    assert points.shape == (8192, 3) and torch.isfinite(points).all()
    assert torch.equal(points[:4096], -points[4096:])
    assert torch.equal(points, even_normals(8192, 7)) and not torch.equal(points, even_normals(8192, -8))

    assert torch.allclose(points.T @ points / 8192, torch.eye(3, dtype=torch.float64), atol=0.005)
    assert (points**4).mean(0).tolist() == pytest.approx([3.0] * 3, abs=0.05)


def test_an_odd_number_of_even_points_has_one_at_zero_and_the_variance_of_its_pairs():
    odd, pairs = even_normals(25, 7), even_normals(24, 7)
    assert (odd == 0).all(-1).nonzero().tolist() == [[12]]
    assert torch.equal(odd[:12], -odd[13:])
    assert torch.allclose(odd.mean(0), torch.zeros(3, dtype=odd.dtype), atol=1e-15)
    assert torch.allclose((odd**2).mean(0), (pairs**2).mean(0), rtol=1e-14)
    assert even_normals(1, 7).tolist() == [[0.0, 0.0, 0.0]]


def test_axes_of_a_crystal_are_orthonormal_and_begin_along_a_star():
    stars = torch.tensor([[0.02, 0.001, 0.0], [0.003, 0.015, 0.002], [0.001, 0.004, 0.01]], dtype=torch.float64)
    axes = crystal_axes(stars)
    assert torch.allclose(axes.T @ axes, torch.eye(3, dtype=torch.float64), atol=1e-15)
    assert torch.linalg.det(axes).item() == pytest.approx(1.0)
    along = stars @ axes  # a* has no component along the second axis, a* and b* none along the third
    assert along[0, 1:].abs().max() < 1e-17 and along[1, 2].abs() < 1e-17 and (along.diagonal() > 0).all()


def test_a_gaussian_rotation_turns_about_its_vector_by_its_length_and_is_smooth_at_none():
    axes = crystal_axes(torch.eye(3, dtype=torch.float64).roll(1, 0))
    deviations = torch.tensor([0.1, 0.2, 0.3], dtype=torch.float64)
    points = torch.tensor([[1.0, -2.0, 0.5], [0.0, 0.0, 0.0]], dtype=torch.float64)
    turned, unturned = gaussian_rotations(points, deviations, axes)
    vector = axes @ (deviations * points[0])
    assert torch.allclose(turned @ vector, vector, atol=1e-15)
    assert torch.acos((turned.trace() - 1) / 2).item() == pytest.approx(vector.norm().item(), rel=1e-12)
    assert torch.equal(unturned, torch.eye(3, dtype=torch.float64))
    slopes = torch.autograd.functional.jacobian(lambda eta: gaussian_rotations(points, eta, axes), deviations * 0)
    assert torch.isfinite(slopes).all() and slopes.abs().max() == 2.0


ETA = 0.004
PLACE = torch.tensor([6.0, 5.0, 4.0], dtype=torch.float64)
ASIDE = torch.tensor([0.2, -0.15, 0.1], dtype=torch.float64)


def spots(points):
    """S^2 (n,) beside the reflection 6 5 4 of 40 cells, for domains turned by ``ETA`` times the points, in radians."""
    u = ASIDE + torch.linalg.cross(40 * ETA * points, PLACE.expand_as(points))
    return torch.exp(-2 * (u * u).sum(-1) / 0.63)


def all_spots():
    """The same over all rotations: a normal distribution convolved with another."""
    spread = (40 * ETA) ** 2 * (PLACE.dot(PLACE) * torch.eye(3, dtype=torch.float64) - PLACE.outer(PLACE))
    wide = torch.eye(3, dtype=torch.float64) + 4 / 0.63 * spread
    exponent = -2 / 0.63 * ASIDE @ torch.linalg.solve(wide, ASIDE)
    return (torch.exp(exponent) / torch.sqrt(torch.linalg.det(wide))).item()


def test_the_error_of_even_points_falls_faster_than_that_of_random_domains():
    exact = all_spots()
    many = spots(torch.randn((100_000, 3), generator=torch.Generator().manual_seed(3), dtype=torch.float64))
    certain = many.std().item() / math.sqrt(len(many))
    assert abs(many.mean().item() - exact) < 4 * certain < 0.05 * exact
    errors = {
        count: sum(abs(spots(even_normals(count, seed)).mean().item() - exact) for seed in range(16)) / 16
        for count in (64, 2048)
    }
    assert 0 < errors[2048] < 0.6 * errors[64] * math.sqrt(64 / 2048)
    assert errors[2048] < 4 * certain
