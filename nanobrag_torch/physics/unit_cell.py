"""Unit cell: reciprocal and direct vectors of cell parameters or an orientation matrix (docs/physics.md, Unit cell)."""

from typing import Literal

import torch
from torch import Tensor


def volume(lengths: Tensor, angles: Tensor) -> Tensor:
    """Volume of the cell in the cube of the unit of ``lengths`` (3,); ``angles`` (3,) in radians."""
    s = angles.sum() / 2
    (a, b, c), (sin_a, sin_b, sin_c) = lengths.unbind(), torch.sin(s - angles).unbind()
    return 2 * a * b * c * torch.sqrt(torch.abs(torch.sin(s) * sin_a * sin_b * sin_c))


def reciprocal_vectors(
    lengths: Tensor, angles: Tensor, construction: Literal["c", "exact"], cell_volume: Tensor | None = None
) -> Tensor:
    """Reciprocal vectors of a cell, a* along x and b* in the x-y plane.

    Args:
        lengths: a, b, c (3,).
        angles: alpha, beta, gamma (3,) in radians.
        construction: "exact", or "c" for the C program's z component of c*, larger than the exact 1/c by
            sin(gamma)/sin(gamma*): it bends the angles of a cell with fewer than two right angles [B01].
        cell_volume: Volume of the cell, where it is known already.

    Returns:
        Rows a*, b*, c* (3, 3) in the inverse unit of ``lengths``.
    """
    cosines, sines = torch.cos(angles), torch.sin(angles)
    v = volume(lengths, angles) if cell_volume is None else cell_volume
    a_star, b_star, c_star = (_others(lengths) * sines / v).unbind()
    cos_a_star, cos_b_star, cos_g_star = ((_others(cosines) - cosines) / _others(sines)).unbind()
    a, b, c = lengths.unbind()
    sin_g_star = c / (v * a_star * b_star)
    z = c_star * v / (a * b * c * sin_g_star) if construction == "c" else 1 / c
    zero = torch.zeros_like(c)
    return torch.stack(
        [
            torch.stack([a_star, zero, zero]),
            torch.stack([b_star * cos_g_star, b_star * sin_g_star, zero]),
            torch.stack([c_star * cos_b_star, c_star * (cos_a_star - cos_b_star * cos_g_star) / sin_g_star, z]),
        ]
    )


def direct_vectors(
    stars: Tensor, lengths: Tensor | None = None, cell_volume: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Direct vectors and the reciprocal vectors that belong to them, both (3, 3) with one vector a row.

    Where ``lengths`` and ``cell_volume`` are given, the direct vectors are rescaled to them, as the C program does
    (which is what keeps the lengths, though not the angles, of a bent triclinic cell). A matrix alone may be
    left-handed: the volume is then negative and the vectors still consistent.
    """
    cross = reciprocal_cross(stars)
    if lengths is None or cell_volume is None:
        v_star = (stars[0] * cross[0]).sum()
    else:
        norm = torch.sqrt((cross * cross).sum(-1, keepdim=True))
        cross = cross * (lengths[:, None] / cell_volume) / norm
        v_star = 1 / cell_volume
    direct = cross / v_star
    return direct, reciprocal_cross(direct) * v_star


def reciprocal_cross(vectors: Tensor) -> Tensor:
    """Rows b x c, c x a, a x b of the rows a, b, c."""
    cross: Tensor = torch.linalg.cross(vectors.roll(-1, 0), vectors.roll(-2, 0))
    return cross


def _others(values: Tensor) -> Tensor:
    """For each of three, the product of the two after it, in cyclic order."""
    return values.roll(-1) * values.roll(-2)


def cell_parameters(vectors: Tensor) -> tuple[Tensor, Tensor]:
    """Lengths (3,) and angles (3,) in radians of the cell spanned by the rows of ``vectors``; for reports."""
    lengths = torch.sqrt((vectors * vectors).sum(-1))
    b, c = vectors.roll(-1, 0), vectors.roll(-2, 0)
    cross = torch.linalg.cross(b, c)
    return lengths, torch.atan2(torch.sqrt((cross * cross).sum(-1)), (b * c).sum(-1))
