"""Structure factor of the unit cell from a table over Miller indices (docs/physics.md, Structure factor)."""

from collections.abc import Sequence

import torch
from torch import Tensor

Minimum = tuple[int, int, int]


def nearest(table: Tensor, minimum: Minimum, default_F: Tensor, h0: Tensor, k0: Tensor, l0: Tensor) -> Tensor:
    """Table value at whole indices.

    Args:
        table: Amplitudes over Miller indices (h_range, k_range, l_range).
        minimum: Indices (h, k, l) of the first entry.
        default_F: Amplitude outside the table.
        h0: Whole indices (...).
        k0: Whole indices (...).
        l0: Whole indices (...).

    Returns:
        Amplitudes (...).
    """
    index = [(n - low).long() for n, low in zip((h0, k0, l0), minimum, strict=True)]
    inside = torch.ones_like(index[0], dtype=torch.bool)
    for i, size in zip(index, table.shape, strict=True):
        inside &= (i >= 0) & (i < size)
    safe = [torch.where(inside, i, torch.zeros_like(i)) for i in index]
    flat = (safe[0] * table.shape[1] + safe[1]) * table.shape[2] + safe[2]
    return torch.where(inside, table.reshape(-1)[flat], default_F)


#: Entries along an axis between which an index is interpolated.
NODES = 4


def window(minimum: Minimum, shape: Sequence[int], margin: int) -> tuple[Minimum, Minimum]:
    """Lowest and highest indices, on each axis, that are interpolated; nothing lies between them in a small table.

    Args:
        minimum: Indices (h, k, l) of the first entry.
        shape: Entries along each axis.
        margin: Entries beyond the window on either side, at least one: the four nodes surround an index.
    """
    axes = [
        (low + margin, low + size - 1 - margin if size >= NODES else low)
        for low, size in zip(minimum, shape, strict=True)
    ]
    (h, h_end), (k, k_end), (l, l_end) = axes
    return (h, k, l), (h_end, k_end, l_end)


def in_range(table: Tensor, minimum: Minimum, h: Tensor, k: Tensor, l: Tensor, margin: int = 1) -> Tensor:
    """Mask of the indices that are interpolated: within the window on every axis.

    Args:
        table: Amplitudes over Miller indices (h_range, k_range, l_range).
        minimum: Indices (h, k, l) of the first entry.
        h: Real indices (...).
        k: Real indices (...).
        l: Real indices (...).
        margin: Entries beyond the window on either side.

    Returns:
        Booleans (...).
    """
    inside = torch.ones_like(h, dtype=torch.bool)
    for x, first, last in zip((h, k, l), *window(minimum, table.shape, margin), strict=True):
        inside &= (x >= first) & (x <= last)
    return inside


def tricubic(table: Tensor, minimum: Minimum, h: Tensor, k: Tensor, l: Tensor, dtype: torch.dtype) -> Tensor:
    """Tensor-product cubic Lagrange interpolation at real indices that are in range; the result may be negative.

    The value is continuous in h, k, l and its derivative jumps at integers. The highest index in range is the third of
    its nodes, any other lies between the second and the third. Samples out of range read clamped nodes;
    the caller discards them.

    Args:
        table: Amplitudes over Miller indices (h_range, k_range, l_range).
        minimum: Indices (h, k, l) of the first entry.
        h: Real indices (...).
        k: Real indices (...).
        l: Real indices (...).
        dtype: Precision of the interpolation.

    Returns:
        Amplitudes (...).
    """
    nodes, weights = [], []
    for x, low, size in zip((h, k, l), minimum, table.shape, strict=True):
        floor = torch.floor(x.detach()).clamp(max=low + size - NODES + 1)
        offset = torch.arange(-1, 3, device=x.device)
        nodes.append(((floor - low).long()[..., None] + offset).clamp(0, size - 1))
        weights.append(lagrange_weights((x - floor).to(dtype)))
    flat = table.reshape(-1)
    total = torch.zeros(h.shape, dtype=dtype, device=h.device)
    for m in range(4):
        for n in range(4):
            row = (nodes[0][..., m] * table.shape[1] + nodes[1][..., n]) * table.shape[2]
            inner = (flat[row[..., None] + nodes[2]].to(dtype) * weights[2]).sum(-1)
            total = total + weights[0][..., m] * weights[1][..., n] * inner
    return total


def lagrange_weights(t: Tensor, dim: int = -1) -> Tensor:
    """Weights of the nodes -1, 0, 1, 2 at position t (...) in [0, 1], along a new axis ``dim``."""
    return torch.stack(
        [
            -t * (t - 1) * (t - 2) / 6,
            (t + 1) * (t - 1) * (t - 2) / 2,
            -(t + 1) * t * (t - 2) / 2,
            (t + 1) * t * (t - 1) / 6,
        ],
        dim=dim,
    )


def lagrange_slopes(t: Tensor, dim: int = -1) -> Tensor:
    """Derivatives of ``lagrange_weights``."""
    square = 3 * t * t
    return torch.stack(
        [
            (6 * t - square - 2) / 6,
            (square - 4 * t - 1) / 2,
            (2 * t + 2 - square) / 2,
            (square - 1) / 6,
        ],
        dim=dim,
    )
