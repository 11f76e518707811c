"""Rotations of mosaic domains and random misset, from frozen draws or even points (docs/physics.md, Mosaic domains)."""

import math

import torch
from torch import Tensor

from nanobrag_torch.physics.rotation import matrix_about_axis
from nanobrag_torch.physics.safe import unit


def rotations(draws: Tensor, largest_angle: Tensor, single: bool = False) -> Tensor:
    """Rotation matrices (n, 3, 3) from ``draws`` (n, 3) in [-1, 1] and the largest angle in radians.

    The axis is uniform on the sphere and the angle is ``largest_angle * (1 - r3^2)^(1/3)``. The draws are constants;
    the angle carries the gradient. ``single`` rounds the angle where the C program does.
    """
    r1, r2, r3 = draws.unbind(-1)
    radius = torch.sqrt(1 - r2**2)
    axis = torch.stack([radius * torch.sin(torch.pi * r1), radius * torch.cos(torch.pi * r1), r2], dim=-1)
    angle = largest_angle * (1 - r3**2) ** (1 / 3)
    if single:
        angle = angle + (_single_angle(r3, largest_angle) - angle).detach()
    return matrix_about_axis(axis, angle)


def _single_angle(r3: Tensor, largest_angle: Tensor) -> Tensor:
    """The angle as the C program rounds it: power and product in single precision."""
    share = torch.pow((1 - r3**2).float(), torch.tensor(1 / 3, dtype=torch.float32, device=r3.device))
    return (largest_angle.float() * share).to(r3.dtype)


def domain_rotations(draws: Tensor, spread: Tensor, single: bool = False) -> Tensor:
    """Rotations (n, 3, 3) of n mosaic domains: the first is the identity, its draws are spent unused."""
    turned = rotations(draws, spread, single)
    identity = torch.eye(3, dtype=turned.dtype, device=turned.device)[None]
    return torch.cat([identity, turned[1:]])


def even_normals(count: int, seed: int, device: torch.device | str = "cpu") -> Tensor:
    """Points (count, 3) that are even in a standard normal distribution, in pairs of z and -z.

    Sobol's sequence, scrambled by the ``seed``, through the inverse of the normal distribution (Owen, 1998). An odd
    ``count`` has one point at zero, and pairs that lie farther out by as much as that takes from the variance.
    """
    sequence = torch.quasirandom.SobolEngine(3, scramble=True, seed=seed % 2**63)  # type: ignore[no-untyped-call]
    drawn = sequence.draw(max(count // 2, 1), dtype=torch.float64)[: count // 2]
    uniform = drawn + 0.5 * 2.0**-sequence.MAXBIT  # never 0 or 1
    half = torch.special.ndtri(uniform).to(device)
    if count % 2 == 0:
        return torch.cat([half, -half])
    half = half * math.sqrt(count / max(count - 1, 1))
    return torch.cat([half, half.new_zeros(1, 3), -half])


def crystal_axes(stars: Tensor) -> Tensor:
    """Orthonormal axes (3, 3) of a crystal, one a column: along a*, b* made orthogonal to it, and their product.

    ``stars`` are the reciprocal vectors (3, 3), one a row.
    """
    first = unit(stars[0])
    second = unit(stars[1] - (stars[1] * first).sum() * first)
    return torch.stack([first, second, torch.linalg.cross(first, second)], dim=-1)


def gaussian_rotations(points: Tensor, deviations: Tensor, axes: Tensor) -> Tensor:
    """Rotations (n, 3, 3) about the vectors axes @ (deviations * point), as smooth as those at no rotation too.

    Args:
        points: Standard normal points (n, 3).
        deviations: Standard deviations (3,) in radians about each of the axes.
        axes: Orthonormal axes (3, 3), one a column.
    """
    x, y, z = (points * deviations @ axes.T).unbind(-1)
    zero = torch.zeros_like(x)
    generator = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], dim=-1).reshape(-1, 3, 3)
    rotations: Tensor = torch.linalg.matrix_exp(generator)
    return rotations


def misset_angles(rotation: Tensor) -> Tensor:
    """The angles (3,) about x, y, z, in radians, whose combined rotation Rz Ry Rx is ``rotation`` (3, 3)."""
    u = rotation / torch.sqrt((rotation * rotation).sum(-1, keepdim=True))
    if float(u[2, 0] ** 2) < 1:
        x = torch.atan2(u[2, 1], u[2, 2])
        y = torch.atan2(-u[2, 0], torch.sqrt(u[2, 1] ** 2 + u[2, 2] ** 2))
        z = torch.atan2(u[1, 0], u[0, 0])
    else:
        x, y = torch.full_like(u[0, 0], torch.pi), torch.full_like(u[0, 0], torch.pi / 2)
        z = torch.atan2(u[0, 1], -u[1, 1])
    return torch.stack([x, y, z])
