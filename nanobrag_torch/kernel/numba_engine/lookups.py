"""Squared structure factors of a block of samples, their slopes against the indices, and the cotangents of the table.

One record for each way to look an amplitude up; numba compiles the kernels once for each in use. ``address`` notes
the place of one sample in the table, ``squares`` then fills a row, ``square_slopes`` also the slopes,
and ``return_squares`` adds each lane's cotangent to the table's. Every address is clamped into its table.
"""

import numpy as np
from numba import njit
from numba.extending import overload

from nanobrag_torch.kernel.numba_engine.jit_options import CONTRACTED, EXACT, LANES
from nanobrag_torch.kernel.numba_engine.records import Constant, Nearest, Outside, Tricubic
from nanobrag_torch.kernel.numba_engine.tricubic import (
    interpolate,
    interpolate_slopes,
    is_inside,
    nearest_amplitude,
    nearest_entry,
    spread,
)

#: Offsets of the float64 rows of a look-up: real Miller indices, and the amplitude that ``square_slopes`` has found.
H, K, L, AMPLITUDE = range(0, 4 * LANES, LANES)
LOOKUP_ROWS = 4 * LANES


@njit(**EXACT)
def clamped(value, low, high):
    """``value`` within [low, high]; NaN becomes ``low``, so that no address leaves its table."""
    value = value if value > low else low
    return value if value < high else high


def _address_constant(lookup, lane, h, k, l, h0, k0, l0, entries, indices):
    pass


def _address_nearest(lookup, lane, h, k, l, h0, k0, l0, entries, indices):
    (low_h, low_k, low_l), (size_h, size_k, size_l) = lookup.low, lookup.size
    m = clamped(h0 - low_h, -1.0, size_h) + 1.0
    n = clamped(k0 - low_k, -1.0, size_k) + 1.0
    p = clamped(l0 - low_l, -1.0, size_l) + 1.0
    entries[lane] = np.uint32((m * (size_k + 2.0) + n) * (size_l + 2.0) + p)


def _address_tricubic(lookup, lane, h, k, l, h0, k0, l0, entries, indices):
    indices[H + lane] = h
    indices[K + lane] = k
    indices[L + lane] = l


def _squares_constant(lookup, entries, indices, row, offset, lanes):
    for lane in range(lanes):
        row[offset + lane] = lookup.square[0]


def _squares_nearest(lookup, entries, indices, row, offset, lanes):
    for lane in range(lanes):
        row[offset + lane] = lookup.square[entries[lane]]


def _squares_tricubic(lookup, entries, indices, row, offset, lanes):
    for lane in range(lanes):
        h, k, l = indices[H + lane], indices[K + lane], indices[L + lane]
        if is_inside(lookup, h, k, l):
            value = interpolate(lookup, h, k, l)
        else:
            value = np.float64(nearest_amplitude(lookup, h, k, l))
        row[offset + lane] = value * value


def _squares_outside(lookup, entries, indices, row, offset, lanes):
    for lane in range(lanes):
        h, k, l = indices[H + lane], indices[K + lane], indices[L + lane]
        row[offset + lane] = 0.0 if is_inside(lookup, h, k, l) else 1.0


def _slopes_constant(lookup, entries, indices, row, offset, slopes, lanes):
    squares(lookup, entries, indices, row, offset, lanes)


def _slopes_tricubic(lookup, entries, indices, row, offset, slopes, lanes):
    for lane in range(lanes):
        h, k, l = indices[H + lane], indices[K + lane], indices[L + lane]
        value = slope_h = slope_k = slope_l = 0.0
        if is_inside(lookup, h, k, l):
            value, slope_h, slope_k, slope_l = interpolate_slopes(lookup, h, k, l)
        else:
            value = np.float64(nearest_amplitude(lookup, h, k, l))
        indices[AMPLITUDE + lane] = value
        row[offset + lane] = value * value
        row[slopes + lane] = 2 * value * slope_h
        row[slopes + LANES + lane] = 2 * value * slope_k
        row[slopes + 2 * LANES + lane] = 2 * value * slope_l


def _product_constant(lookup, square, slope, interference, square_slope):
    return square * slope


def _product_tricubic(lookup, square, slope, interference, square_slope):
    return square * slope + interference * square_slope


def _moving_constant(lookup, moved, moved_default, entries, indices, row, offset, lanes):
    for lane in range(lanes):
        row[offset + lane] = moved[0]


def _moving_nearest(lookup, moved, moved_default, entries, indices, row, offset, lanes):
    for lane in range(lanes):
        row[offset + lane] = moved[entries[lane]]


def _moving_tricubic(lookup, moved, moved_default, entries, indices, row, offset, lanes):
    moving = Tricubic(moved, moved_default, lookup.low, lookup.size, lookup.first, lookup.last)
    for lane in range(lanes):
        h, k, l = indices[H + lane], indices[K + lane], indices[L + lane]
        if is_inside(lookup, h, k, l):
            row[offset + lane] = 2 * interpolate(lookup, h, k, l) * interpolate(moving, h, k, l)
        else:
            row[offset + lane] = 2 * nearest_amplitude(lookup, h, k, l) * nearest_amplitude(moving, h, k, l)


def _return_constant(lookup, entries, indices, row, offset, bar, bar_default, lanes):
    for lane in range(lanes):
        bar[0] += row[offset + lane]


def _return_nearest(lookup, entries, indices, row, offset, bar, bar_default, lanes):
    for lane in range(lanes):
        bar[entries[lane]] += row[offset + lane]


def _return_tricubic(lookup, entries, indices, row, offset, bar, bar_default, lanes):
    for lane in range(lanes):
        h, k, l = indices[H + lane], indices[K + lane], indices[L + lane]
        amount = 2 * indices[AMPLITUDE + lane] * row[offset + lane]
        if is_inside(lookup, h, k, l):
            spread(lookup, bar, h, k, l, amount)
        else:
            entry = nearest_entry(lookup, h, k, l)
            if entry >= 0:
                bar[entry] += amount
            else:
                bar_default[0] += amount


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


def address(lookup, lane, h, k, l, h0, k0, l0, entries, indices):
    """Note the place of a sample in the table.

    Args:
        lookup: Table of structure factors.
        lane: Lane of the sample.
        h, k, l: Its real Miller indices.
        h0, k0, l0: The nearest integers.
        entries: (LANES,), gets the entry of the nearest integers.
        indices: (LOOKUP_ROWS,), gets the real indices for an interpolation.
    """
    return ADDRESS[type(lookup)](lookup, lane, h, k, l, h0, k0, l0, entries, indices)


def squares(lookup, entries, indices, row, offset, lanes):
    """Fill a row with F^2.

    Args:
        lookup: Table of structure factors.
        entries, indices: Places of the samples, noted by ``address``.
        row: Array in the precision of the evaluation.
        offset: Offset of the row in it.
        lanes: Number of samples.
    """
    return SQUARES[type(lookup)](lookup, entries, indices, row, offset, lanes)


def square_slopes(lookup, entries, indices, row, offset, slopes, lanes):
    """Fill a row with F^2 and, where the table is interpolated, three rows with its slopes.

    Args:
        lookup: Table of structure factors.
        entries, indices: Places of the samples, noted by ``address``.
        row: Array in the precision of the evaluation.
        offset: Offset of the row of F^2.
        slopes: Offset of the first row of slopes.
        lanes: Number of samples.
    """
    return SLOPES[type(lookup)](lookup, entries, indices, row, offset, slopes, lanes)


def product_slope(lookup, square, slope, interference, square_slope):
    """Slope of F^2 S^2.

    Args:
        lookup: Table of structure factors.
        square: F^2.
        slope: Slope of S^2.
        interference: S^2.
        square_slope: Slope of F^2, unused where the table is not interpolated.
    """
    return PRODUCT[type(lookup)](lookup, square, slope, interference, square_slope)


def moving_squares(lookup, moved, moved_default, entries, indices, row, offset, lanes):
    """Fill a row with the tangent of F^2.

    Args:
        lookup: Table of structure factors.
        moved: Tangent of the flat table.
        moved_default: Tangent of the amplitude outside.
        entries, indices: Places of the samples, noted by ``address``.
        row: Array in the precision of the evaluation.
        offset: Offset of the row in it.
        lanes: Number of samples.
    """
    return MOVING[type(lookup)](lookup, moved, moved_default, entries, indices, row, offset, lanes)


def return_squares(lookup, entries, indices, row, offset, bar, bar_default, lanes):
    """Add the cotangents of F^2 to those of the table.

    Args:
        lookup: Table of structure factors.
        entries, indices: Places of the samples, noted by ``address``.
        row: Array that holds the cotangents of F^2.
        offset: Offset of their row in it.
        bar: Cotangents of the flat table, which are added to.
        bar_default: (1,), cotangent of the amplitude outside, which is added to.
        lanes: Number of samples.
    """
    return RETURN[type(lookup)](lookup, entries, indices, row, offset, bar, bar_default, lanes)


@overload(address, jit_options=EXACT)
def _address(lookup, lane, h, k, l, h0, k0, l0, entries, indices):
    return ADDRESS[lookup.instance_class]


@overload(squares, jit_options=EXACT)
def _squares(lookup, entries, indices, row, offset, lanes):
    return SQUARES[lookup.instance_class]


@overload(square_slopes, jit_options=EXACT)
def _square_slopes(lookup, entries, indices, row, offset, slopes, lanes):
    return SLOPES[lookup.instance_class]


@overload(product_slope, jit_options=CONTRACTED)
def _product_slope(lookup, square, slope, interference, square_slope):
    return PRODUCT[lookup.instance_class]


@overload(moving_squares, jit_options=EXACT)
def _moving_squares(lookup, moved, moved_default, entries, indices, row, offset, lanes):
    return MOVING[lookup.instance_class]


@overload(return_squares, jit_options=EXACT)
def _return_squares(lookup, entries, indices, row, offset, bar, bar_default, lanes):
    return RETURN[lookup.instance_class]
