"""From six cell parameters, or an orientation matrix, to reciprocal and direct vectors (physics.md, section 3)."""

from typing import Literal

import torch
from torch import Tensor


def volume(lengths: Tensor, angles: Tensor) -> Tensor:
    """Volume of the cell in the cube of the unit of ``lengths`` (3,); ``angles`` (3,) in radians."""
    s = angles.sum() / 2
    skew = torch.abs(torch.sin(s) * torch.sin(s - angles[0]) * torch.sin(s - angles[1]) * torch.sin(s - angles[2]))
    return 2 * lengths.prod() * torch.sqrt(skew)


def reciprocal_vectors(
    lengths: Tensor, angles: Tensor, construction: Literal["c", "exact"], cell_volume: Tensor | None = None
) -> Tensor:
    """Rows a*, b*, c* (3, 3) in the inverse unit of ``lengths``: a* along x, b* in the x-y plane.

    ``cell_volume`` is that of the cell, where it is known already.

    ``construction="c"`` is the C program's z component of c*, larger than the exact 1/c by sin(gamma)/sin(gamma*):
    it bends the angles of a cell with fewer than two right angles [B01].
    """
    a, b, c = lengths.unbind()
    cos_a, cos_b, cos_g = torch.cos(angles).unbind()
    sin_a, sin_b, sin_g = torch.sin(angles).unbind()
    v = volume(lengths, angles) if cell_volume is None else cell_volume
    a_star, b_star, c_star = b * c * sin_a / v, c * a * sin_b / v, a * b * sin_g / v
    sin_g_star = c / (v * a_star * b_star)
    cos_a_star = (cos_b * cos_g - cos_a) / (sin_b * sin_g)
    cos_b_star = (cos_g * cos_a - cos_b) / (sin_g * sin_a)
    cos_g_star = (cos_a * cos_b - cos_g) / (sin_a * sin_b)
    z = {"c": c_star * v / (a * b * c * sin_g_star), "exact": 1 / c}[construction]
    zero = torch.zeros_like(a)
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
    return torch.linalg.cross(vectors[[1, 2, 0]], vectors[[2, 0, 1]])


def cell_parameters(vectors: Tensor) -> tuple[Tensor, Tensor]:
    """Lengths (3,) and angles (3,) in radians of the cell spanned by the rows of ``vectors``; for reports."""
    lengths = torch.sqrt((vectors * vectors).sum(-1))
    b, c = vectors[[1, 2, 0]], vectors[[2, 0, 1]]
    cross = torch.linalg.cross(b, c)
    return lengths, torch.atan2(torch.sqrt((cross * cross).sum(-1)), (b * c).sum(-1))
