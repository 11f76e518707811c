"""Cubic Lagrange interpolation between 64 structure factors of a flat table, as ``physics.structure_factor.tricubic``.

``lookup`` is a record with ``low``, the lowest index on each axis, ``size``, the number of entries, and ``amplitude``,
the flat table, whose last entry stands for everything outside.
"""

import numpy as np
from numba import njit

from nanobrag_torch.kernel.cpu.compiling import CONTRACTED, EXACT


@njit(**EXACT)
def is_inside(lookup, h, k, l):
    """Whether all nodes of the interpolation lie in the table."""
    (low_h, low_k, low_l), (size_h, size_k, size_l) = lookup.low, lookup.size
    return (
        h >= low_h + 2 and h <= low_h + size_h - 3
        and k >= low_k + 2 and k <= low_k + size_k - 3
        and l >= low_l + 2 and l <= low_l + size_l - 3
    )  # fmt: skip


@njit(**EXACT)
def nearest_entry(lookup, h, k, l):
    """The entry at the nearest integers, the last one outside the table."""
    (low_h, low_k, low_l), (size_h, size_k, size_l) = lookup.low, lookup.size
    m, n, p = np.ceil(h - 0.5) - low_h, np.ceil(k - 0.5) - low_k, np.ceil(l - 0.5) - low_l
    if m >= 0 and m < size_h and n >= 0 and n < size_k and p >= 0 and p < size_l:
        return np.int64((m * size_k + n) * size_l + p)
    return np.int64(lookup.amplitude.size - 1)


@njit(**CONTRACTED)
def weights(t):
    """Cubic Lagrange weights of the nodes -1, 0, 1, 2 at t in [0, 1]."""
    return (
        -t * (t - 1) * (t - 2) / 6,
        (t + 1) * (t - 1) * (t - 2) / 2,
        -(t + 1) * t * (t - 2) / 2,
        (t + 1) * t * (t - 1) / 6,
    )


@njit(**CONTRACTED)
def weight_slopes(t):
    """Derivatives of ``weights``."""
    square = 3 * t * t
    return (6 * t - square - 2) / 6, (square - 4 * t - 1) / 2, (2 * t + 2 - square) / 2, (square - 1) / 6


@njit(**EXACT)
def first_node(lookup, h, k, l):
    """The entry of node (-1, -1, -1), and the position between nodes 0 and 1 along each axis."""
    (low_h, low_k, low_l), (_, size_k, size_l) = lookup.low, lookup.size
    fh, fk, fl = np.floor(h), np.floor(k), np.floor(l)
    entry = ((fh - low_h - 1) * size_k + (fk - low_k - 1)) * size_l + (fl - low_l - 1)
    return np.int64(entry), h - fh, k - fk, l - fl


@njit(**CONTRACTED)
def interpolate(lookup, h, k, l):
    """F at indices whose nodes are all in the table."""
    entry, th, tk, tl = first_node(lookup, h, k, l)
    size_k, size_l = np.int64(lookup.size[1]), np.int64(lookup.size[2])
    w0, w1, w2, w3 = weights(tl)
    total = 0.0
    for wh in weights(th):
        across, line = 0.0, entry
        for wk in weights(tk):
            f = lookup.amplitude
            across += wk * (w0 * f[line] + w1 * f[line + 1] + w2 * f[line + 2] + w3 * f[line + 3])
            line += size_l
        total += wh * across
        entry += size_k * size_l
    return total


@njit(**CONTRACTED)
def interpolate_slopes(lookup, h, k, l):
    """F and its slopes against the three indices."""
    entry, th, tk, tl = first_node(lookup, h, k, l)
    size_k, size_l = np.int64(lookup.size[1]), np.int64(lookup.size[2])
    w0, w1, w2, w3 = weights(tl)
    s0, s1, s2, s3 = weight_slopes(tl)
    total = slope_h = slope_k = slope_l = 0.0
    for wh, sh in zip(weights(th), weight_slopes(th)):  # noqa: B905 (numba has no strict zip)
        across = across_k = across_l = 0.0
        line = entry
        for wk, sk in zip(weights(tk), weight_slopes(tk)):  # noqa: B905
            f0, f1 = lookup.amplitude[line], lookup.amplitude[line + 1]
            f2, f3 = lookup.amplitude[line + 2], lookup.amplitude[line + 3]
            value = w0 * f0 + w1 * f1 + w2 * f2 + w3 * f3
            across += wk * value
            across_k += sk * value
            across_l += wk * (s0 * f0 + s1 * f1 + s2 * f2 + s3 * f3)
            line += size_l
        total += wh * across
        slope_h += sh * across
        slope_k += wh * across_k
        slope_l += wh * across_l
        entry += size_k * size_l
    return total, slope_h, slope_k, slope_l


@njit(**EXACT)
def spread(lookup, bar, h, k, l, amount):
    """Add ``amount`` times each node's weight to the cotangents of the nodes."""
    entry, th, tk, tl = first_node(lookup, h, k, l)
    size_k, size_l = np.int64(lookup.size[1]), np.int64(lookup.size[2])
    for wh in weights(th):
        line = entry
        for wk in weights(tk):
            node = line
            for wl in weights(tl):
                bar[node] += amount * wh * wk * wl
                node += 1
            line += size_l
        entry += size_k * size_l
