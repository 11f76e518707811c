"""Search for pixels with a lit sub-pixel, by the four corners of each: those that are dark need no sub-pixels."""

import numpy as np
from numba import njit

from nanobrag_torch.kernel.numba_engine.blocks import new_block, release_block
from nanobrag_torch.kernel.numba_engine.bounds import (
    HIGH,
    INVERSE,
    LOW,
    Q_MIDDLE,
    SOURCES_AT_ONCE,
    SPREAD,
    VECTORS,
    bend_within_pixels,
    may_be_lit_within,
    new_frame,
    outermost_sample,
    outermost_samples,
)
from nanobrag_torch.kernel.numba_engine.candidates import (
    choose_for_all_parts,
    numbers_of,
    project_candidates,
)
from nanobrag_torch.kernel.numba_engine.jit_options import CALLED, CONTRACTED, LANES
from nanobrag_torch.kernel.numba_engine.rays import (
    DISTANCE,
    DX,
    DY,
    DZ,
    FORWARD_ROWS,
    OMEGA,
    QX,
    RESOLVED,
    TOTAL,
    cast_rays,
    choose_pixels,
    fill,
)
from nanobrag_torch.kernel.numba_engine.visits import strip_is_dark

#: Rows of the boxes of single pixels: first the ends of their directions, then middles and half widths, along the
#: frame's vectors; then scattering vectors x, y, z, where the directions were, and half widths along the vectors; and
#: what is found.
ENDS_LOW = MIDDLE = QX
ENDS_HIGH = HALF = RESOLVED
Q, Q_WIDTH, FOUND = DX, OMEGA + 2 * LANES, TOTAL


@njit(**CALLED)
def _boxes_of_pixels(panel, plan, rows, frame):
    """Fill ``MIDDLE`` and ``HALF`` of each pixel, and the ends of the frame's box for all of them."""
    fill(rows, ENDS_LOW, ENDS_LOW + 2 * LANES, np.inf)
    fill(rows, ENDS_HIGH, ENDS_HIGH + 2 * LANES, -np.inf)
    nearest = np.inf
    for corner in range(outermost_samples(plan)):
        cast_rays(panel, plan, outermost_sample(plan, corner), rows)
        for lane in range(LANES):
            nearest = min(nearest, rows[DISTANCE + lane])
        for number in range(3):
            at, low, high = VECTORS + 3 * number, ENDS_LOW + number * LANES, ENDS_HIGH + number * LANES
            ex, ey, ez = frame[at], frame[at + 1], frame[at + 2]
            for lane in range(LANES):
                value = rows[DX + lane] * ex + rows[DY + lane] * ey + rows[DZ + lane] * ez
                rows[low + lane] = min(rows[low + lane], value)
                rows[high + lane] = max(rows[high + lane], value)
    bend = bend_within_pixels(panel, plan, nearest, 0.0, 0.0)
    for number in range(3):
        at, to = ENDS_LOW + number * LANES, ENDS_HIGH + number * LANES
        for lane in range(LANES):
            low, high = rows[at + lane] - bend, rows[to + lane] + bend
            frame[LOW + number] = min(frame[LOW + number], low)
            frame[HIGH + number] = max(frame[HIGH + number], high)
            rows[at + lane], rows[to + lane] = 0.5 * (low + high), 0.5 * (high - low)


@njit(**CALLED)
def _boxes_of_vectors(rows, frame):
    """Fill ``Q`` and ``Q_WIDTH`` of each pixel, for the sources whose bounds are in the frame."""
    middle, half = frame[INVERSE], frame[INVERSE + 1]
    fill(rows, Q, Q + 2 * LANES, 0.0)
    for number in range(3):
        at, row = VECTORS + 3 * number, number * LANES
        ex, ey, ez = frame[at], frame[at + 1], frame[at + 2]
        centre = 0.5 * (frame[LOW + number] + frame[HIGH + number])
        for lane in range(LANES):
            away = rows[MIDDLE + row + lane] - centre
            along = frame[Q_MIDDLE + number] + away * middle
            rows[Q + lane] += along * ex
            rows[Q + LANES + lane] += along * ey
            rows[Q + 2 * LANES + lane] += along * ez
            wide = rows[HALF + row + lane] * (middle + half) + abs(away) * half
            rows[Q_WIDTH + row + lane] = wide + frame[SPREAD + number]


@njit(**CONTRACTED)
def _add_lit(visits, numbers, rows):
    """Set ``FOUND`` where a candidate with those numbers may light a pixel."""
    direct, frame, radii = numbers
    for lane in range(LANES):
        qx, qy, qz = rows[Q + lane], rows[Q + LANES + lane], rows[Q + 2 * LANES + lane]
        u, v, w = rows[Q_WIDTH + lane], rows[Q_WIDTH + LANES + lane], rows[Q_WIDTH + 2 * LANES + lane]
        lit = may_be_lit_within(visits, direct, frame, radii, False, qx, qy, qz, u, v, w)
        rows[FOUND + lane] = max(rows[FOUND + lane], 1.0 if lit else 0.0)


@njit(**CALLED)
def _find(inputs, block):
    """Fill ``FOUND`` for the pixels of a block with 1 where one may be lit, else 0."""
    panel, plan, sources, visits = inputs.panel, inputs.plan, inputs.sources, inputs.visits
    rows, survey = block.rows, block.survey
    cast_rays(panel, plan, np.int64(0), rows)
    new_frame(panel, rows, survey.frame)
    _boxes_of_pixels(panel, plan, rows, survey.frame)
    project_candidates(visits, survey)
    fill(rows, FOUND, FOUND, 0.0)
    for first in range(0, sources.shape[0], SOURCES_AT_ONCE):
        last = min(first + SOURCES_AT_ONCE, sources.shape[0])
        count = choose_for_all_parts(visits, sources, first, last, survey)
        if count > 0:
            _boxes_of_vectors(rows, survey.frame)
        for number in range(count):
            _add_lit(visits, numbers_of(visits, survey, survey.several[number]), rows)


def find_lit_pixels(inputs, positions, grid, found):
    """Find pixels that may have a lit sample.

    Args:
        inputs: Tables of the scene, with ``LitSamples``.
        positions: Positions (n,) of the pixels along the rows of a window.
        grid: Corner (slow, fast) and width of the window.
        found: Gets True (n,) for those that may be lit, and all where dark samples count as well.
    """
    block = new_block(inputs.visits, FORWARD_ROWS, 0, found.dtype)
    panel, plan, sources, visits = inputs.panel, inputs.plan, inputs.sources, inputs.visits
    for start in range(0, len(found), LANES):
        if strip_is_dark(visits, panel, plan, sources, positions, grid, start, block):
            found[start : start + LANES] = False
            continue
        choose_pixels(positions, grid, start, block.rows)
        _find(inputs, block)
        for lane in range(min(LANES, len(found) - start)):
            found[start + lane] = block.rows[FOUND + lane] != 0.0
    release_block(inputs.visits, block)
