"""Vectors (..., 3) and their rotations, batched. Angles in radians, right-handed."""

import torch
from torch import Tensor

from nanobrag_torch.physics.rotation import about_axis, broadcast, matrix_x_y_z, same_dtype
from nanobrag_torch.physics.safe import unit
from nanobrag_torch.utils.tensor_utils import as_tensor_preserving_grad, floating

Angle = float | Tensor


def dot_product(x: Tensor, y: Tensor) -> Tensor:
    """x . y, shape (...)."""
    return (x * y).sum(-1)


def cross_product(x: Tensor, y: Tensor) -> Tensor:
    """x cross y, shape (..., 3)."""
    product: Tensor = torch.linalg.cross(*broadcast(x, y))
    return product


def magnitude(v: Tensor) -> Tensor:
    """Length of the vector, shape (...); its gradient at zero is zero."""
    length: Tensor = torch.linalg.vector_norm(floating(v), dim=-1)
    return length


def unitize(v: Tensor) -> tuple[Tensor, Tensor]:
    """(unit vector (..., 3), length (...)); a zero vector stays zero."""
    return unit(floating(v)), magnitude(v)


def rotate_axis(v: Tensor, axis: Tensor, phi: Angle) -> Tensor:
    """Rotate ``v`` (..., 3) about the unit vector ``axis`` (..., 3) by ``phi`` (...)."""
    v = floating(v)
    return about_axis(v, axis, as_tensor_preserving_grad(phi, v.device, v.dtype))


rotate_around_axis = rotate_axis


def rotate_umat(v: Tensor, umat: Tensor) -> Tensor:
    """Rotate ``v`` (..., 3) by the matrix ``umat`` (..., 3, 3)."""
    v, umat = same_dtype(v, umat)
    return (umat @ v[..., None])[..., 0]


def angles_to_rotation_matrix(phi_x: Angle, phi_y: Angle, phi_z: Angle) -> Tensor:
    """The matrix (3, 3) that turns about the fixed axes x, then y, then z: Rz Ry Rx."""
    return matrix_x_y_z(as_tensor_preserving_grad((phi_x, phi_y, phi_z)))


def rotate_around_x(v: Tensor, angle: Angle) -> Tensor:
    """Rotate ``v`` (..., 3) about the x axis by ``angle`` (...)."""
    return _rotate_around(0, v, angle)


def rotate_around_y(v: Tensor, angle: Angle) -> Tensor:
    """Rotate ``v`` (..., 3) about the y axis by ``angle`` (...)."""
    return _rotate_around(1, v, angle)


def rotate_around_z(v: Tensor, angle: Angle) -> Tensor:
    """Rotate ``v`` (..., 3) about the z axis by ``angle`` (...)."""
    return _rotate_around(2, v, angle)


def _rotate_around(index: int, v: Tensor, angle: Angle) -> Tensor:
    return rotate_axis(v, torch.eye(3, dtype=floating(v).dtype, device=v.device)[index], angle)
