"""Vectors and rotations under their established names."""

import math

import pytest
import torch

from nanobrag_torch.utils.geometry import (
    angles_to_rotation_matrix,
    cross_product,
    dot_product,
    magnitude,
    rotate_around_axis,
    rotate_around_x,
    rotate_around_y,
    rotate_around_z,
    rotate_axis,
    rotate_umat,
    unitize,
)

X, Y, Z = torch.eye(3, dtype=torch.float64)
VECTORS = torch.tensor([[1.0, 2.0, 3.0], [-0.5, 0.25, 4.0]], dtype=torch.float64)


def test_products_and_lengths_work_on_batches():
    assert dot_product(VECTORS, VECTORS).tolist() == [14.0, 0.25 + 0.0625 + 16]
    assert magnitude(VECTORS).tolist() == [math.sqrt(14), math.sqrt(16.3125)]
    assert torch.equal(cross_product(X.expand(2, 3), VECTORS), torch.linalg.cross(X.expand(2, 3), VECTORS))
    assert torch.equal(cross_product(X, Y), Z)


def test_a_unit_vector_comes_with_its_length_and_zero_stays_zero():
    unit, length = unitize(torch.stack([3 * X + 4 * Y, torch.zeros(3, dtype=torch.float64)]))
    torch.testing.assert_close(unit[0], 0.6 * X + 0.8 * Y)
    assert length.tolist() == [5.0, 0.0]
    assert unit[1].tolist() == [0, 0, 0]


def test_the_length_of_a_zero_vector_has_a_finite_gradient():
    v = torch.zeros(3, requires_grad=True)
    unit, length = unitize(v)
    (unit.sum() + length).backward()
    assert torch.isfinite(v.grad).all()


@pytest.mark.parametrize(
    ("rotate", "start", "end"), [(rotate_around_x, Y, Z), (rotate_around_y, Z, X), (rotate_around_z, X, Y)]
)
def test_a_quarter_turn_about_an_axis_is_right_handed(rotate, start, end):
    torch.testing.assert_close(rotate(start, math.pi / 2), end)


def test_a_rotation_about_any_axis_keeps_the_axis_and_the_length():
    axis = unitize(torch.tensor([1.0, 1.0, 1.0], dtype=torch.float64))[0]
    torch.testing.assert_close(rotate_axis(axis, axis, 1.0), axis)
    torch.testing.assert_close(rotate_axis(X, axis, 2 * math.pi / 3), Y)
    turned = rotate_around_axis(VECTORS, axis, torch.tensor([0.3, 0.4], dtype=torch.float64))
    torch.testing.assert_close(magnitude(turned), magnitude(VECTORS))


def test_three_angles_turn_about_the_fixed_axes_x_then_y_then_z():
    matrix = angles_to_rotation_matrix(0.1, torch.tensor(0.2, dtype=torch.float64), 0.3)
    step_by_step = rotate_around_z(rotate_around_y(rotate_around_x(VECTORS, 0.1), 0.2), 0.3)
    torch.testing.assert_close(rotate_umat(VECTORS, matrix), step_by_step, rtol=1e-14, atol=1e-14)


def test_angles_stay_connected():
    angles = [torch.tensor(value, dtype=torch.float64, requires_grad=True) for value in (0.1, 0.2, 0.3)]
    angles_to_rotation_matrix(*angles)[0, 0].backward()
    assert angles[1].grad.item() == pytest.approx(-math.sin(0.2) * math.cos(0.3))
    assert angles[2].grad.item() == pytest.approx(-math.cos(0.2) * math.sin(0.3))


def test_integers_and_mixed_dtypes_rotate_as_reals_do():
    x, z = torch.tensor([1, 0, 0]), torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64)
    expected = torch.tensor([math.cos(0.3), math.sin(0.3), 0.0])
    for turned in (
        rotate_axis(x, z, 0.3),
        rotate_around_z(x, 0.3),
        rotate_umat(x, angles_to_rotation_matrix(0, 0, 0.3)),
    ):
        torch.testing.assert_close(turned, expected, check_dtype=False)
    assert torch.equal(cross_product(x.to(torch.float32), z), torch.tensor([0.0, -1.0, 0.0], dtype=torch.float64))
    assert unitize(torch.tensor([0, 3, 4]))[1] == 5.0
