"""Orientations against scipy's rotations, at and near the orientation in which two misset angles are one."""

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from nanobrag_torch.refine.orientation import angles_by_turns, angles_of, matrix_of, rotation_vector

ANGLES = [(10.0, 20.0, 30.0), (-170.0, 89.9, 120.0), (25.0, 90.0, 40.0), (25.0, -90.0, 40.0), (144.0, -63.5, -113.0)]


def f64(values):
    return torch.tensor(values, dtype=torch.float64)


@pytest.mark.parametrize("angles", ANGLES)
def test_misset_angles_are_those_of_scipy_about_fixed_axes(angles):
    matrix = matrix_of(f64(angles))
    np.testing.assert_allclose(matrix, Rotation.from_euler("xyz", angles, degrees=True).as_matrix(), atol=1e-12)


@pytest.mark.parametrize("angles", ANGLES)
def test_angles_of_a_rotation_give_the_rotation_back(angles):
    matrix = matrix_of(f64(angles))
    np.testing.assert_allclose(matrix_of(angles_of(matrix)), matrix, atol=1e-7)


def test_the_rotation_vector_is_scipys():
    vector = f64([3.0, -40.0, 12.0])
    matrix = torch.from_numpy(Rotation.from_rotvec(vector.numpy(), degrees=True).as_matrix())
    np.testing.assert_allclose(rotation_vector(matrix), vector, rtol=1e-10)
    assert rotation_vector(torch.eye(3, dtype=torch.float64)).tolist() == [0, 0, 0]


@pytest.mark.parametrize("angles", [ANGLES[0], ANGLES[1], ANGLES[4]])
def test_angles_change_with_turns_as_finite_differences_say(angles):
    step = 1e-5
    found = angles_by_turns(f64(angles))
    for axis in range(3):
        turn = step * torch.eye(3, dtype=torch.float64)[axis]
        ahead, behind = (angles_of(matrix_of(sign * turn) @ matrix_of(f64(angles))) for sign in (1, -1))
        np.testing.assert_allclose(found[:, axis], (ahead - behind) / (2 * step), rtol=1e-4, atol=1e-6)


def test_where_two_angles_are_one_there_is_no_derivative():
    assert angles_by_turns(f64((25.0, 90.0, 40.0))) is None
