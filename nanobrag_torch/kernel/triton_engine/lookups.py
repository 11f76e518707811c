"""Structure factors of samples in a Triton kernel: F^2, its slopes, and the cotangents of the table.

``table`` is ``Tables.lookup`` in the precision of the evaluation and ``default`` the amplitude outside where it is
interpolated; ``grid`` points to seven float64 numbers: the lowest h, k, l, the entries along h, k, l, and the margin of
``physics.structure_factor.window``. Samples that are not ``lit`` read nothing and give F^2 = 0.
"""

import triton
import triton.language as tl

from nanobrag_torch.physics.structure_factor import NODES

FEWEST = tl.constexpr(NODES)


@triton.jit
def entry(grid, h0, k0, l0, PAD: tl.constexpr):
    """Entries of a flat table with ``PAD`` more on every side at whole indices, and True where they lie in it."""
    size_h, size_k, size_l = tl.load(grid + 3), tl.load(grid + 4), tl.load(grid + 5)
    h, k, l = h0 - tl.load(grid) + PAD, k0 - tl.load(grid + 1) + PAD, l0 - tl.load(grid + 2) + PAD
    end_h, end_k, end_l = size_h + 2 * PAD - 1, size_k + 2 * PAD - 1, size_l + 2 * PAD - 1
    within = (h >= 0) & (h <= end_h) & (k >= 0) & (k <= end_k) & (l >= 0) & (l <= end_l)
    # A NaN lies nowhere, and the nearest entry that there is stands for it.
    h = tl.minimum(tl.maximum(h, 0.0), end_h).to(tl.int32)
    k = tl.minimum(tl.maximum(k, 0.0), end_k).to(tl.int32)
    l = tl.minimum(tl.maximum(l, 0.0), end_l).to(tl.int32)
    return (h * (size_k.to(tl.int32) + 2 * PAD) + k) * (size_l.to(tl.int32) + 2 * PAD) + l, within


@triton.jit
def node(index, low, size, margin):
    """Number of the first of four nodes along an axis, position between nodes 0 and 1, and True if interpolated."""
    last = tl.where(size >= FEWEST, low + size - 1 - margin, low)
    inside = (index >= low + margin) & (index <= last)
    floor = tl.minimum(tl.floor(index), low + size - (FEWEST - 1))
    return tl.where(inside, floor - low - 1, 0.0).to(tl.int32), index - floor, inside


@triton.jit
def place(grid, h, k, l, DTYPE: tl.constexpr):
    """Entry of the first node, positions between nodes 0 and 1 in ``DTYPE``, and True where all nodes are there."""
    margin = tl.load(grid + 6)
    first_h, th, in_h = node(h, tl.load(grid), tl.load(grid + 3), margin)
    first_k, tk, in_k = node(k, tl.load(grid + 1), tl.load(grid + 4), margin)
    first_l, t, in_l = node(l, tl.load(grid + 2), tl.load(grid + 5), margin)
    corner = (first_h * tl.load(grid + 4).to(tl.int32) + first_k) * tl.load(grid + 5).to(tl.int32) + first_l
    return corner, th.to(DTYPE), tk.to(DTYPE), t.to(DTYPE), in_h & in_k & in_l


@triton.jit
def weight(NODE: tl.constexpr, t):
    """Weight of a node -1, 0, 1, 2 (``NODE`` 0 to 3) at position t, and its slope."""
    square = 3 * t * t
    if NODE == 0:
        return -t * (t - 1) * (t - 2) / 6, (6 * t - square - 2) / 6
    elif NODE == 1:
        return (t + 1) * (t - 1) * (t - 2) / 2, (square - 4 * t - 1) / 2
    elif NODE == 2:
        return -(t + 1) * t * (t - 2) / 2, (2 * t + 2 - square) / 2
    else:
        return (t + 1) * t * (t - 1) / 6, (square - 1) / 6


@triton.jit
def interpolate(table, default, grid, h, k, l, h0, k0, l0, lit, DTYPE: tl.constexpr):
    """F and its slopes against h, k, l: interpolated where all nodes are in the table, else that of the nearest."""
    corner, th, tk, t, inside = place(grid, h, k, l, DTYPE)
    step_k = tl.load(grid + 5).to(tl.int32)
    step_h = tl.load(grid + 4).to(tl.int32) * step_k
    zero = tl.zeros_like(th)
    value, slope_h, slope_k, slope_l = zero, zero, zero, zero
    for m in tl.static_range(4):
        across, across_k, across_l = zero, zero, zero
        for n in tl.static_range(4):
            line, line_l = zero, zero
            for o in tl.static_range(4):
                at = corner + (m * step_h + n * step_k + o)
                found = tl.load(table + at, mask=lit & inside, other=0.0)
                share, steep = weight(o, t)
                line, line_l = tl.fma(found, share, line), tl.fma(found, steep, line_l)
            share, steep = weight(n, tk)
            across = tl.fma(line, share, across)
            across_k, across_l = tl.fma(line, steep, across_k), tl.fma(line_l, share, across_l)
        share, steep = weight(m, th)
        value, slope_h = tl.fma(across, share, value), tl.fma(across, steep, slope_h)
        slope_k, slope_l = tl.fma(across_k, share, slope_k), tl.fma(across_l, share, slope_l)
    whole, within = entry(grid, h0, k0, l0, 0)
    near = tl.load(table + whole, mask=lit & within & ~inside, other=0.0)
    near = tl.where(within, near, tl.load(default))
    return (
        tl.where(inside, value, tl.where(lit, near, 0.0)),
        tl.where(inside, slope_h, 0.0),
        tl.where(inside, slope_k, 0.0),
        tl.where(inside, slope_l, 0.0),
    )


@triton.jit
def square_slopes(LOOKUP: tl.constexpr, table, default, grid, h, k, l, h0, k0, l0, lit, DTYPE: tl.constexpr):
    """F^2, its slopes against h, k, l, and its slope against what the table holds there."""
    none = tl.zeros(h.shape, DTYPE)
    if LOOKUP == "constant":
        return none + tl.load(table), none, none, none, none + 1
    elif LOOKUP == "nearest":
        whole, _ = entry(grid, h0, k0, l0, 1)
        return tl.load(table + whole, mask=lit, other=0.0), none, none, none, none + 1
    else:
        value, slope_h, slope_k, slope_l = interpolate(table, default, grid, h, k, l, h0, k0, l0, lit, DTYPE)
        twice = value + value
        return value * value, twice * slope_h, twice * slope_k, twice * slope_l, twice


@triton.jit
def return_nearest(bars, grid, h0, k0, l0, bar, lit):
    """Add cotangents of F^2 to those of its entries."""
    whole, _ = entry(grid, h0, k0, l0, 1)
    tl.atomic_add(bars + whole, bar, mask=lit, sem="relaxed")


@triton.jit
def return_interpolated(bars, bar_default, grid, h, k, l, h0, k0, l0, bar, lit, DTYPE: tl.constexpr):
    """Add cotangents of interpolated F to those of its nodes, or of the nearest entry, or of the amplitude outside."""
    corner, th, tk, t, inside = place(grid, h, k, l, DTYPE)
    step_k = tl.load(grid + 5).to(tl.int32)
    step_h = tl.load(grid + 4).to(tl.int32) * step_k
    for m in tl.static_range(4):
        share_h, _ = weight(m, th)
        for n in tl.static_range(4):
            share_k, _ = weight(n, tk)
            for o in tl.static_range(4):
                share_l, _ = weight(o, t)
                at = corner + (m * step_h + n * step_k + o)
                share = (share_h * share_k * share_l).to(tl.float64)
                tl.atomic_add(bars + at, share * bar, mask=lit & inside, sem="relaxed")
    whole, within = entry(grid, h0, k0, l0, 0)
    tl.atomic_add(bars + whole, bar, mask=lit & within & ~inside, sem="relaxed")
    outside = tl.where(lit & ~within & ~inside, bar, 0.0)
    tl.atomic_add(bar_default, tl.sum(outside), sem="relaxed")
