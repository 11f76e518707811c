"""Mosaic domains, against matrices of the C program."""

import pytest
import torch

from nanobrag_torch.physics.mosaic import domain_rotations, misset_angles, rotations
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
