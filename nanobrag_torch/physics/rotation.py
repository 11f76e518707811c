"""Right-handed rotations of vectors (..., 3) by angles in radians; zero is an angle like any other."""

from functools import reduce

import torch
from torch import Tensor

#: Cosine of the angle about y below which x and z turn about one axis, so that no rotation has three angles.
GIMBAL = 1e-6


def same_dtype(*tensors: Tensor) -> tuple[Tensor, ...]:
    """The tensors in the widest of their dtypes, which products of torch do not find themselves."""
    dtype = reduce(torch.promote_types, [tensor.dtype for tensor in tensors])
    return tuple(tensor.to(dtype) for tensor in tensors)


def broadcast(*vectors: Tensor) -> tuple[Tensor, ...]:
    """The vectors in one shape and the widest of their dtypes."""
    return tuple(torch.broadcast_tensors(*same_dtype(*vectors)))  # type: ignore[no-untyped-call]


def about_axis(vector: Tensor, axis: Tensor, angle: Tensor) -> Tensor:
    """Rodrigues' rotation of ``vector`` (..., 3) about ``axis`` (..., 3) by ``angle`` (...).

    An axis that is not of unit length makes this a non-orthogonal map, as it does in the C program.
    """
    vector, axis = broadcast(vector, axis)
    cosine, sine = torch.cos(angle)[..., None], torch.sin(angle)[..., None]
    along = (axis * vector).sum(-1, keepdim=True)
    across: Tensor = torch.linalg.cross(axis, vector)
    return axis * along * (1 - cosine) + vector * cosine + across * sine


def about_x_y_z(vector: Tensor, angles: Tensor) -> Tensor:
    """Rotate ``vector`` (..., 3) about the fixed laboratory x, then y, then z axis by ``angles`` (3,): Rz Ry Rx v."""
    return vector @ matrix_x_y_z(angles).T


def matrix_x_y_z(angles: Tensor) -> Tensor:
    """The matrix Rz(angles[2]) Ry(angles[1]) Rx(angles[0]), shape (3, 3)."""
    (cx, cy, cz), (sx, sy, sz) = torch.cos(angles).unbind(), torch.sin(angles).unbind()
    one, zero = torch.ones_like(cx), torch.zeros_like(cx)
    rx = torch.stack([one, zero, zero, zero, cx, -sx, zero, sx, cx]).reshape(3, 3)
    ry = torch.stack([cy, zero, sy, zero, one, zero, -sy, zero, cy]).reshape(3, 3)
    rz = torch.stack([cz, -sz, zero, sz, cz, zero, zero, zero, one]).reshape(3, 3)
    return rz @ ry @ rx


def angles_x_y_z(rotation: Tensor) -> Tensor:
    """Angles (3,) in radians of a rotation (3, 3), the inverse of :func:`matrix_x_y_z`.

    Where y is 90 degrees only one of x and z counts, and x is 0.
    """
    cosine = torch.hypot(rotation[2, 1], rotation[2, 2])
    y = torch.atan2(-rotation[2, 0], cosine)
    if float(cosine) < GIMBAL:
        return torch.stack([torch.zeros_like(y), y, torch.atan2(-rotation[0, 1], rotation[1, 1])])
    x, z = torch.atan2(rotation[2, 1], rotation[2, 2]), torch.atan2(rotation[1, 0], rotation[0, 0])
    return torch.stack([x, y, z])


def matrix_about_axis(axis: Tensor, angle: Tensor) -> Tensor:
    """Rotation matrices (..., 3, 3) about unit ``axis`` (..., 3) by ``angle`` (...)."""
    identity = torch.eye(3, dtype=axis.dtype, device=axis.device)
    return about_axis(identity, axis[..., None, :], angle[..., None]).transpose(-1, -2)
