"""Orientations as misset angles, as small turns about the laboratory axes, and as a rotation vector; degrees."""

import math

import torch
from torch import Tensor

from nanobrag_torch.physics.rotation import GIMBAL, angles_x_y_z, matrix_x_y_z


def matrix_of(angles: Tensor) -> Tensor:
    """Rotation (3, 3) by misset angles (3,) in degrees about the laboratory x, then y, then z axis."""
    return matrix_x_y_z(torch.deg2rad(angles))


def angles_of(rotation: Tensor) -> Tensor:
    """Misset angles (3,) in degrees of a rotation (3, 3); the inverse of :func:`matrix_of`."""
    return torch.rad2deg(angles_x_y_z(rotation))


def angles_by_turns(angles: Tensor) -> Tensor | None:
    """Derivative (3, 3) of misset angles by turns about the laboratory axes; None where y is 90 degrees.

    Args:
        angles: misset angles (3,) in degrees.
    """
    _, y, z = torch.deg2rad(angles).tolist()
    if abs(math.cos(y)) < GIMBAL:
        return None
    about_x = [math.cos(z) * math.cos(y), math.sin(z) * math.cos(y), -math.sin(y)]
    about_y = [-math.sin(z), math.cos(z), 0.0]
    turns_by_angles = torch.tensor([about_x, about_y, [0.0, 0.0, 1.0]], dtype=torch.float64).T
    inverse: Tensor = torch.linalg.inv(turns_by_angles)
    return inverse


def rotation_vector(rotation: Tensor) -> Tensor:
    """Axis times angle (3,) in degrees of a rotation (3, 3) by less than 180 degrees."""
    skew = torch.stack(
        [rotation[2, 1] - rotation[1, 2], rotation[0, 2] - rotation[2, 0], rotation[1, 0] - rotation[0, 1]]
    )
    sine = torch.linalg.vector_norm(skew) / 2
    angle = torch.atan2(sine, (torch.trace(rotation) - 1) / 2)
    return torch.rad2deg(skew / 2 * (angle / sine if float(sine) > 0 else 1.0))
