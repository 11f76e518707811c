"""Cubic Lagrange interpolation between 64 structure factors of a flat table, as ``physics.structure_factor.tricubic``.

``lookup`` is a record with ``low``, the lowest index on each axis, ``size``, the number of entries, ``first`` and
``last``, the ends of the window of interpolation, ``amplitude``, the flat table, and ``default``, which stands for
everything outside.
"""

# mypy: disable-error-code="call-arg"

import numpy as np
from numba import njit

from nanobrag_torch.kernel.numba_engine import simd
from nanobrag_torch.kernel.numba_engine.jit_options import CONTRACTED, EXACT

SIXTH = 1 / 6


@njit(**EXACT)
def is_inside(lookup, h, k, l):
    """True if the indices lie in the window of interpolation."""
    (first_h, first_k, first_l), (last_h, last_k, last_l) = lookup.first, lookup.last
    return first_h <= h <= last_h and first_k <= k <= last_k and first_l <= l <= last_l


@njit(**EXACT)
def nearest_entry(lookup, h, k, l):
    """Entry at the nearest integers, -1 outside the table."""
    (low_h, low_k, low_l), (size_h, size_k, size_l) = lookup.low, lookup.size
    m, n, p = np.ceil(h - 0.5) - low_h, np.ceil(k - 0.5) - low_k, np.ceil(l - 0.5) - low_l
    if m >= 0 and m < size_h and n >= 0 and n < size_k and p >= 0 and p < size_l:
        return np.int64((m * size_k + n) * size_l + p)
    return np.int64(-1)


@njit(**EXACT)
def nearest_amplitude(lookup, h, k, l):
    """Amplitude F at the nearest integers."""
    entry = nearest_entry(lookup, h, k, l)
    return lookup.amplitude[entry] if entry >= 0 else lookup.default


@njit(**CONTRACTED)
def weights(t):
    """Cubic Lagrange weights of the nodes -1, 0, 1, 2 at t in [0, 1]."""
    left, right, far = t + 1, t - 1, t - 2
    inner, outer = t * right, left * far
    return -SIXTH * inner * far, 0.5 * outer * right, -0.5 * outer * t, SIXTH * inner * left


@njit(**CONTRACTED)
def weight_slopes(t):
    """Derivatives of ``weights``."""
    square = 3 * t * t
    return (
        SIXTH * (6 * t - square - 2),
        0.5 * (square - 4 * t - 1),
        0.5 * (2 * t + 2 - square),
        SIXTH * (square - 1),
    )


@njit(**EXACT)
def first_node(lookup, h, k, l):
    """Entry of node (-1, -1, -1), and the position between nodes 0 and 1 along each axis."""
    (low_h, low_k, low_l), (size_h, size_k, size_l) = lookup.low, lookup.size
    fh, fk, fl = (
        min(np.floor(h), low_h + size_h - 3), min(np.floor(k), low_k + size_k - 3), min(np.floor(l), low_l + size_l - 3)
    )  # fmt: skip
    entry = ((fh - low_h - 1) * size_k + (fk - low_k - 1)) * size_l + (fl - low_l - 1)
    return np.uint64(entry), h - fh, k - fk, l - fl


@njit(**CONTRACTED)
def dot(weights, quad):
    """Sum of the products of four weights and a quad."""
    return (weights[0] * quad[0] + weights[1] * quad[1]) + (weights[2] * quad[2] + weights[3] * quad[3])


@njit(**CONTRACTED)
def combine(weights, a, b, c, d):
    """Weighted sum of four simd."""
    return simd.add(simd.add(simd.add(simd.scaled(weights[0], a), weights[1], b), weights[2], c), weights[3], d)


@njit(**EXACT)
def plane(lookup, entry):
    """Nodes of one h from ``entry`` on, 16 of them: a quad along l for each k."""
    f, step = lookup.amplitude, np.uint64(lookup.size[2])
    second, third = entry + step, entry + step + step
    f[entry], f[third + step + np.uint64(3)]  # nothing, but where bounds are checked
    return simd.load(f, entry), simd.load(f, second), simd.load(f, third), simd.load(f, third + step)


@njit(**CONTRACTED)
def interpolate(lookup, h, k, l):
    """Amplitude F at indices whose nodes are all in the table."""
    first, th, tk, tl = first_node(lookup, h, k, l)
    step, wk = np.uint64(lookup.size[1]) * np.uint64(lookup.size[2]), weights(tk)
    a = combine(wk, *plane(lookup, first))
    b = combine(wk, *plane(lookup, first + step))
    c = combine(wk, *plane(lookup, first + step + step))
    d = combine(wk, *plane(lookup, first + step + step + step))
    return dot(weights(tl), combine(weights(th), a, b, c, d))


@njit(**CONTRACTED)
def interpolate_slopes(lookup, h, k, l):
    """Amplitude F and its slopes against the three indices."""
    first, th, tk, tl = first_node(lookup, h, k, l)
    step, wk, sk = np.uint64(lookup.size[1]) * np.uint64(lookup.size[2]), weights(tk), weight_slopes(tk)
    nodes = plane(lookup, first)
    a, slope_a = combine(wk, *nodes), combine(sk, *nodes)
    nodes = plane(lookup, first + step)
    b, slope_b = combine(wk, *nodes), combine(sk, *nodes)
    nodes = plane(lookup, first + step + step)
    c, slope_c = combine(wk, *nodes), combine(sk, *nodes)
    nodes = plane(lookup, first + step + step + step)
    d, slope_d = combine(wk, *nodes), combine(sk, *nodes)
    wh, wl = weights(th), weights(tl)
    total = combine(wh, a, b, c, d)
    along_h = dot(wl, combine(weight_slopes(th), a, b, c, d))
    along_k = dot(wl, combine(wh, slope_a, slope_b, slope_c, slope_d))
    return dot(wl, total), along_h, along_k, dot(weight_slopes(tl), total)


@njit(**CONTRACTED)
def spread(lookup, bar, h, k, l, amount):
    """Reverse pass of ``interpolate``.

    Args:
        lookup: Table of structure factors.
        bar: Cotangents of the flat table, which are added to.
        h, k, l: Indices whose nodes are all in the table.
        amount: Cotangent of F.
    """
    entry, th, tk, tl = first_node(lookup, h, k, l)
    size_k, size_l = np.uint64(lookup.size[1]), np.uint64(lookup.size[2])
    wl = weights(tl)
    for wh in weights(th):
        line = entry
        for wk in weights(tk):
            simd.store(bar, line, simd.add(simd.load(bar, line), amount * wh * wk, wl))
            line += size_l
        entry += size_k * size_l
