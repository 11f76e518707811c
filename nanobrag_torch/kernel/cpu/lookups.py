"""Squared structure factors of a block of samples, their slopes against the indices, and what the table gets back.

One record for each way to look an amplitude up; numba compiles the kernels once for each in use. ``address`` notes
for one sample what the look-up needs, ``squares`` then fills a row for all lanes, ``square_slopes`` also the slopes,
and ``return_squares`` adds each lane's cotangent to the table's. Every address is clamped into its table.
"""

from typing import NamedTuple

import numpy as np
from numba import njit
from numba.extending import overload

from nanobrag_torch.kernel.cpu.compiling import CONTRACTED, EXACT, LANES


class Constant(NamedTuple):
    """The same F^2 everywhere, an array of one element."""

    square: np.ndarray


class Nearest(NamedTuple):
    """F^2 at the nearest integers: the flat table with one more entry on every side, the square of ``default_F``."""

    square: np.ndarray
    low: tuple[float, float, float]
    size: tuple[float, float, float]


class Tricubic(NamedTuple):
    """F interpolated within the flat table, whose last entry is ``default_F``; nearest where the nodes leave it."""

    amplitude: np.ndarray
    low: tuple[float, float, float]
    size: tuple[float, float, float]


class Outside(NamedTuple):
    """1 where the interpolation would leave the table and 0 elsewhere, to find the samples where that happens."""

    low: tuple[float, float, float]
    size: tuple[float, float, float]


@njit(**EXACT)
def clamped(value, low, high):
    """``value`` within [low, high]; NaN becomes ``low``, so that no address leaves its table."""
    value = value if value > low else low
    return value if value < high else high


def _address_constant(lookup, lane, h, k, l, h0, k0, l0, place, index):
    pass


def _address_nearest(lookup, lane, h, k, l, h0, k0, l0, place, index):
    (low_h, low_k, low_l), (size_h, size_k, size_l) = lookup.low, lookup.size
    m = clamped(h0 - low_h, -1.0, size_h) + 1.0
    n = clamped(k0 - low_k, -1.0, size_k) + 1.0
    p = clamped(l0 - low_l, -1.0, size_l) + 1.0
    place[lane] = np.int32((m * (size_k + 2.0) + n) * (size_l + 2.0) + p)


def _address_tricubic(lookup, lane, h, k, l, h0, k0, l0, place, index):
    index[lane] = h
    index[LANES + lane] = k
    index[2 * LANES + lane] = l


def _squares_constant(lookup, place, index, row, offset):
    for lane in range(LANES):
        row[offset + lane] = lookup.square[0]


def _squares_nearest(lookup, place, index, row, offset):
    for lane in range(LANES):
        row[offset + lane] = lookup.square[place[lane]]


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


def _squares_tricubic(lookup, place, index, row, offset):
    for lane in range(LANES):
        h, k, l = index[lane], index[LANES + lane], index[2 * LANES + lane]
        if is_inside(lookup, h, k, l):
            value = interpolate(lookup, h, k, l)
        else:
            value = np.float64(lookup.amplitude[nearest_entry(lookup, h, k, l)])
        row[offset + lane] = value * value


def _squares_outside(lookup, place, index, row, offset):
    for lane in range(LANES):
        h, k, l = index[lane], index[LANES + lane], index[2 * LANES + lane]
        row[offset + lane] = 0.0 if is_inside(lookup, h, k, l) else 1.0


def _slopes_constant(lookup, place, index, row, offset, slopes):
    squares(lookup, place, index, row, offset)


def _slopes_tricubic(lookup, place, index, row, offset, slopes):
    for lane in range(LANES):
        h, k, l = index[lane], index[LANES + lane], index[2 * LANES + lane]
        value = slope_h = slope_k = slope_l = 0.0
        if is_inside(lookup, h, k, l):
            value, slope_h, slope_k, slope_l = interpolate_slopes(lookup, h, k, l)
        else:
            value = np.float64(lookup.amplitude[nearest_entry(lookup, h, k, l)])
        row[offset + lane] = value * value
        row[slopes + lane] = 2 * value * slope_h
        row[slopes + LANES + lane] = 2 * value * slope_k
        row[slopes + 2 * LANES + lane] = 2 * value * slope_l


def _product_constant(lookup, square, slope, interference, square_slope):
    return square * slope


def _product_tricubic(lookup, square, slope, interference, square_slope):
    return square * slope + interference * square_slope


def _moving_constant(lookup, moved, place, index, row, offset):
    for lane in range(LANES):
        row[offset + lane] = moved[0]


def _moving_nearest(lookup, moved, place, index, row, offset):
    for lane in range(LANES):
        row[offset + lane] = moved[place[lane]]


def _moving_tricubic(lookup, moved, place, index, row, offset):
    moving = Tricubic(moved, lookup.low, lookup.size)
    for lane in range(LANES):
        h, k, l = index[lane], index[LANES + lane], index[2 * LANES + lane]
        if is_inside(lookup, h, k, l):
            row[offset + lane] = 2 * interpolate(lookup, h, k, l) * interpolate(moving, h, k, l)
        else:
            entry = nearest_entry(lookup, h, k, l)
            row[offset + lane] = 2 * lookup.amplitude[entry] * moved[entry]


def _return_constant(lookup, place, index, row, offset, bar):
    for lane in range(LANES):
        bar[0] += row[offset + lane]


def _return_nearest(lookup, place, index, row, offset, bar):
    for lane in range(LANES):
        bar[place[lane]] += row[offset + lane]


def _return_tricubic(lookup, place, index, row, offset, bar):
    for lane in range(LANES):
        h, k, l = index[lane], index[LANES + lane], index[2 * LANES + lane]
        if is_inside(lookup, h, k, l):
            spread(lookup, bar, h, k, l, 2 * interpolate(lookup, h, k, l) * row[offset + lane])
        else:
            entry = nearest_entry(lookup, h, k, l)
            bar[entry] += 2 * lookup.amplitude[entry] * row[offset + lane]


ADDRESS = {
    Constant: _address_constant,
    Nearest: _address_nearest,
    Tricubic: _address_tricubic,
    Outside: _address_tricubic,
}
SQUARES = {
    Constant: _squares_constant,
    Nearest: _squares_nearest,
    Tricubic: _squares_tricubic,
    Outside: _squares_outside,
}
SLOPES = {Constant: _slopes_constant, Nearest: _slopes_constant, Tricubic: _slopes_tricubic}
PRODUCT = {Constant: _product_constant, Nearest: _product_constant, Tricubic: _product_tricubic}
MOVING = {Constant: _moving_constant, Nearest: _moving_nearest, Tricubic: _moving_tricubic}
RETURN = {Constant: _return_constant, Nearest: _return_nearest, Tricubic: _return_tricubic}


def address(lookup, lane, h, k, l, h0, k0, l0, place, index):
    """Note in ``place`` (LANES,) or ``index`` (3 LANES,) where the sample of a lane looks up."""
    return ADDRESS[type(lookup)](lookup, lane, h, k, l, h0, k0, l0, place, index)


def squares(lookup, place, index, row, offset):
    """Fill ``row[offset:offset + LANES]`` with F^2."""
    return SQUARES[type(lookup)](lookup, place, index, row, offset)


def square_slopes(lookup, place, index, row, offset, slopes):
    """Fill the row at ``offset`` with F^2 and, where it has any, the three rows from ``slopes`` on with its slopes."""
    return SLOPES[type(lookup)](lookup, place, index, row, offset, slopes)


def product_slope(lookup, square, slope, interference, square_slope):
    """Slope of F^2 S^2 from those of S^2 and of F^2."""
    return PRODUCT[type(lookup)](lookup, square, slope, interference, square_slope)


def moving_squares(lookup, moved, place, index, row, offset):
    """Fill the row at ``offset`` with the change of F^2 where the table changes by ``moved``."""
    return MOVING[type(lookup)](lookup, moved, place, index, row, offset)


def return_squares(lookup, place, index, row, offset, bar):
    """Add the cotangents of F^2, in the row at ``offset``, to those of the table, ``bar``."""
    return RETURN[type(lookup)](lookup, place, index, row, offset, bar)


@overload(address, jit_options=EXACT)
def _address(lookup, lane, h, k, l, h0, k0, l0, place, index):
    return ADDRESS[lookup.instance_class]


@overload(squares, jit_options=EXACT)
def _squares(lookup, place, index, row, offset):
    return SQUARES[lookup.instance_class]


@overload(square_slopes, jit_options=EXACT)
def _square_slopes(lookup, place, index, row, offset, slopes):
    return SLOPES[lookup.instance_class]


@overload(product_slope, jit_options=CONTRACTED)
def _product_slope(lookup, square, slope, interference, square_slope):
    return PRODUCT[lookup.instance_class]


@overload(moving_squares, jit_options=EXACT)
def _moving_squares(lookup, moved, place, index, row, offset):
    return MOVING[lookup.instance_class]


@overload(return_squares, jit_options=EXACT)
def _return_squares(lookup, place, index, row, offset, bar):
    return RETURN[lookup.instance_class]
