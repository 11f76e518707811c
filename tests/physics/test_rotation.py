import math

import pytest
import torch

from nanobrag_torch.physics.rotation import about_axis, about_x_y_z, angles_x_y_z, matrix_about_axis, matrix_x_y_z

X, Y, Z = torch.eye(3, dtype=torch.float64)


def angle(degrees: float) -> torch.Tensor:
    return torch.tensor(math.radians(degrees), dtype=torch.float64)


@pytest.mark.parametrize(("axis", "vector", "want"), [(X, Y, Z), (Y, Z, X), (Z, X, Y)])
def test_a_quarter_turn_is_right_handed(axis, vector, want):
    assert torch.allclose(about_axis(vector, axis, angle(90)), want, atol=1e-15)


def test_three_fixed_axes_turn_in_the_order_x_y_z():
    v = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)
    angles = torch.deg2rad(torch.tensor([10.0, 20.0, 30.0], dtype=torch.float64))
    once = about_axis(about_axis(about_axis(v, X, angles[0]), Y, angles[1]), Z, angles[2])
    assert torch.allclose(about_x_y_z(v, angles), once, atol=1e-15)
    assert torch.allclose(matrix_x_y_z(angles) @ v, once, atol=1e-15)


def test_zero_is_an_angle_like_any_other():
    """The derivative of a rotation at zero is the cross product with its axis."""
    v = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)
    axis = torch.tensor([0.6, 0.0, 0.8], dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(lambda phi: about_axis(v, axis, phi), angle(0.0))
    assert torch.allclose(jacobian, torch.linalg.cross(axis, v), atol=1e-15)
    missets = torch.autograd.functional.jacobian(lambda a: about_x_y_z(v, a), torch.zeros(3, dtype=torch.float64))
    assert torch.allclose(missets, torch.stack([torch.linalg.cross(e, v) for e in (X, Y, Z)], dim=1), atol=1e-15)


def test_matrices_about_an_axis_turn_as_vectors_do():
    axes = torch.tensor([[0.6, 0.0, 0.8], [0.0, 1.0, 0.0]], dtype=torch.float64)
    angles = torch.tensor([0.3, -1.1], dtype=torch.float64)
    v = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)
    want = torch.stack([about_axis(v, a, p) for a, p in zip(axes, angles, strict=True)])
    assert torch.allclose(matrix_about_axis(axes, angles) @ v, want, atol=1e-15)


def test_an_axis_that_is_not_of_unit_length_does_not_preserve_lengths():
    assert about_axis(X, 2 * Z, angle(90)).norm().item() != pytest.approx(1.0)


@pytest.mark.parametrize("given", [(10.0, 20.0, 30.0), (-170.0, -80.0, 100.0), (0.0, 90.0, 40.0), (0.0, -90.0, 40.0)])
def test_angles_come_back_from_their_matrix_also_where_two_of_them_turn_about_one_axis(given):
    angles = torch.deg2rad(torch.tensor(given, dtype=torch.float64))
    torch.testing.assert_close(angles_x_y_z(matrix_x_y_z(angles)), angles, rtol=0, atol=1e-12)
