"""The C program's generator and rotations, held against numbers that the C program printed."""

import math

import numpy as np
import pytest
import torch

from nanobrag_torch.utils.c_random import CLCG, mosaic_rotation_umat, umat2misset
from nanobrag_torch.utils.geometry import angles_to_rotation_matrix

FIRST_DRAWS = {
    1: [0.415999353, 0.0919648930, 0.756410480, 0.529700220, 0.930436492, 0.383502066],
    11: [0.0187253784, 0.717427731, 0.0846800506, 0.320515335, 0.713096559, 0.949264407],
    12345678: [0.765989304, 0.0234536640, 0.589726627, 0.535101593, 0.982231438, 0.693016112],
}
FIRST_ROTATION_OF_ONE_DEGREE = [
    [0.999864497525909, 0.0164519085123313, -0.000566827630889827],
    [-0.0164546331791321, 0.999851120059371, -0.00519449352313463],
    [0.000481283909415308, 0.00520311659715268, 0.999986347878547],
]


@pytest.mark.parametrize(("seed", "expected"), FIRST_DRAWS.items())
def test_the_first_deviates_are_those_of_the_c_program(seed, expected):
    for start in (seed, -seed):
        stream = CLCG(start)
        np.testing.assert_allclose([stream.ran1() for _ in range(6)], expected, rtol=1e-7)


def test_without_a_seed_the_stream_is_that_of_the_mosaic_domains():
    assert CLCG().ran1() == CLCG(12345678).ran1()


def test_the_first_mosaic_rotation_is_that_of_the_c_program():
    umat = mosaic_rotation_umat(math.radians(1.0), dtype=torch.float64)
    np.testing.assert_allclose(umat.numpy(), FIRST_ROTATION_OF_ONE_DEGREE, atol=1e-7)


def test_the_rotation_stays_connected_to_its_largest_angle():
    angle = torch.tensor(0.02, dtype=torch.float64, requires_grad=True)
    umat = mosaic_rotation_umat(angle, seed=7)
    assert umat.dtype == torch.float64
    torch.testing.assert_close(umat @ umat.T, torch.eye(3, dtype=torch.float64))
    cosine = (umat.trace() - 1) / 2
    cosine.backward()
    share = torch.acos(cosine.detach()) / 0.02
    assert angle.grad.item() == pytest.approx(float(-share * torch.sin(share * 0.02)), rel=1e-6)


@pytest.mark.parametrize(
    ("seed", "expected"),
    [(1, (4.662957, -11.844979, 17.622548)), (11, (-101.659132, 64.480213, -139.089168))],
)
def test_a_random_misset_has_the_angles_that_the_c_program_prints(seed, expected):
    umat = mosaic_rotation_umat(90.0, seed=seed, dtype=torch.float64)
    degrees = [math.degrees(angle) for angle in umat2misset(umat)]
    np.testing.assert_allclose(degrees, expected, atol=2e-4)


def test_misset_angles_rebuild_their_matrix():
    umat = mosaic_rotation_umat(2.0, seed=3, dtype=torch.float64)
    torch.testing.assert_close(angles_to_rotation_matrix(*umat2misset(umat)), umat)


def test_an_array_is_a_rotation():
    matrix = angles_to_rotation_matrix(0.1, 0.2, 0.3)
    assert umat2misset(matrix.numpy()) == umat2misset(matrix)
