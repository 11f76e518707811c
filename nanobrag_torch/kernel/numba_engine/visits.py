"""Visits of a block of samples: all orientations for all of it, or those that may light a part of it.

The directions of a block lie in a box of a frame of its own, so the scattering vectors of a source, or of several,
do as well; its parts have smaller boxes in the same frame, and several blocks together, a strip, a larger one. An
orientation is passed over where no point of a box is
near enough to a reciprocal lattice point. The bound is rigorous for the samples themselves: tilt, curvature and
distance of the detector do not matter to it. What counts as zero is decided sample by sample (``is_lit``), so that an
image does not depend on what was passed over.
"""

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numba.extending import overload

from nanobrag_torch.kernel.numba_engine.jit_options import CALLED, CONTRACTED, EXACT, LANES
from nanobrag_torch.kernel.numba_engine.rays import DISTANCE, DX, DY, DZ, cast_rays, choose_pixels
from nanobrag_torch.kernel.numba_engine.records import (
    PART,
    PARTS,
    TOGETHER,
    AllSamples,
    Block,
    CountedSamples,
    LitSamples,
)
from nanobrag_torch.kernel.numba_engine.scratch import scratch
from nanobrag_torch.kernel.tables import DIRECTION, WAVELENGTH

#: Neighbouring sources for which visits are chosen together.
SOURCES_AT_ONCE = 8
#: Samples in a strip, for which orientations are sought once for all of its blocks.
STRIP = 4 * LANES
#: Part of 1/wavelength by which boxes are widened: more than the rounding of an index.
ROUNDING = 4e-12
#: Offsets of the rows of ``axes``: x of a, b, c and of a*, b*, c*; y and z follow.
DIRECT, STAR = 0, 9 * TOGETHER
AXES_GROUP = 18 * TOGETHER
#: Offsets of the rows of a survey: projections of a, b, c on the three vectors of the frame, of these on a*, b*, c*,
#: and the square of the reach of a spot along them.
PROJECTION, COVECTOR, REACH = 0, 9 * TOGETHER, 18 * TOGETHER
SURVEY_GROUP = 21 * TOGETHER
#: Places of the frame: its three vectors, the ends of the box; middle and half widths of a box of scattering vectors,
#: and what several sources add to its half widths; middle and half of the range of 1/wavelength. Then, one number a
#: part: middles and half widths of its box, and those of its scattering vectors, x, y, z and along the frame's vectors.
VECTORS, LOW, HIGH, Q_MIDDLE, Q_HALF, SPREAD, INVERSE = 0, 9, 12, 15, 18, 21, 24
PART_MIDDLE, PART_HALF, PART_Q, PART_Q_HALF = range(26, 26 + 12 * PARTS, 3 * PARTS)
FRAME_SIZE = 26 + 12 * PARTS


class Survey(NamedTuple):
    """Arrays for the choice of visits.

    Attributes:
        frame: Vectors and boxes, in the places of ``VECTORS`` and its neighbours.
        rows: Rows ``PROJECTION``, ``COVECTOR`` and ``REACH``, group by group of orientations.
        flags: One number for each of those looked at together.
        axes: Rows ``DIRECT`` and ``STAR`` of the candidates of a strip, in groups as those of all orientations.
        candidates: Orientations that may light a sample of the strip; the last element is their number.
        several: Numbers of the candidates that may light a block for one of several sources.
        chosen: Visits of a block for several sources: orientation times ``PARTS`` plus part.
    """

    frame: np.ndarray
    rows: np.ndarray
    flags: np.ndarray
    axes: np.ndarray
    candidates: np.ndarray
    several: np.ndarray
    chosen: np.ndarray


@njit(**EXACT)
def new_survey(visits):
    """Arrays for as many orientations as there are to choose from; lists have room for one that is not kept."""
    count = visits.orientations
    groups = (count + TOGETHER - 1) // TOGETHER
    return Survey(
        scratch(FRAME_SIZE, np.float64),
        scratch(groups * SURVEY_GROUP, np.float64),
        scratch(TOGETHER, np.float64),
        scratch(groups * AXES_GROUP, np.float64),
        scratch(count + 2, np.int64),
        scratch(count + 1, np.int64),
        scratch(PARTS * count + 1, np.int64),
    )


@njit(**CALLED)
def _frame(panel, rows, frame):
    """Fill the frame with vectors along the mean direction, nearest to fast, and across; and an empty box."""
    x = y = z = 0.0
    for lane in range(LANES):
        x += rows[DX + lane]
        y += rows[DY + lane]
        z += rows[DZ + lane]
    length = math.sqrt(x * x + y * y + z * z)
    x, y, z = x / length, y / length, z / length
    fx, fy, fz = panel.fast
    along = fx * x + fy * y + fz * z
    fx, fy, fz = fx - along * x, fy - along * y, fz - along * z
    length = math.sqrt(fx * fx + fy * fy + fz * fz)
    fx, fy, fz = fx / length, fy / length, fz / length
    vectors = ((x, y, z), (fx, fy, fz), (y * fz - z * fy, z * fx - x * fz, x * fy - y * fx))
    for number, (ex, ey, ez) in enumerate(vectors):
        frame[VECTORS + 3 * number] = ex
        frame[VECTORS + 3 * number + 1] = ey
        frame[VECTORS + 3 * number + 2] = ez
        frame[LOW + number] = np.inf
        frame[HIGH + number] = -np.inf


@njit(**CALLED)
def _widen(rows, frame):
    """Widen the box by the directions of a block, and fill the boxes of its parts."""
    for number in range(3):
        at = VECTORS + 3 * number
        ex, ey, ez = frame[at], frame[at + 1], frame[at + 2]
        for part in range(PARTS):
            low, high = np.inf, -np.inf
            for lane in range(part * PART, (part + 1) * PART):
                value = rows[DX + lane] * ex + rows[DY + lane] * ey + rows[DZ + lane] * ez
                low, high = min(low, value), max(high, value)
            frame[PART_MIDDLE + number * PARTS + part] = 0.5 * (low + high)
            frame[PART_HALF + number * PARTS + part] = 0.5 * (high - low)
            frame[LOW + number] = min(frame[LOW + number], low)
            frame[HIGH + number] = max(frame[HIGH + number], high)


@njit(**CALLED)
def _project(visits, axes, count, survey):
    """Fill the rows of a survey for the first ``count`` orientations of ``axes``."""
    frame, rows = survey.frame, survey.rows
    hh, kk, ll, hk, hl, kl = visits.body
    for group in range((count + TOGETHER - 1) // TOGETHER):
        here, there = group * AXES_GROUP, group * SURVEY_GROUP
        for number in range(3):
            ex, ey, ez = frame[VECTORS + 3 * number], frame[VECTORS + 3 * number + 1], frame[VECTORS + 3 * number + 2]
            for axis in range(3):
                at, star = here + DIRECT + 3 * axis * TOGETHER, here + STAR + 3 * axis * TOGETHER
                to = there + PROJECTION + (3 * number + axis) * TOGETHER
                covector = there + COVECTOR + (3 * number + axis) * TOGETHER
                for o in range(TOGETHER):
                    x, y, z = axes[at + o], axes[at + TOGETHER + o], axes[at + 2 * TOGETHER + o]
                    rows[to + o] = abs(x * ex + y * ey + z * ez)
                    x, y, z = axes[star + o], axes[star + TOGETHER + o], axes[star + 2 * TOGETHER + o]
                    rows[covector + o] = x * ex + y * ey + z * ez
            first, reach = there + COVECTOR + 3 * number * TOGETHER, there + REACH + number * TOGETHER
            for o in range(TOGETHER):
                h, k, l = rows[first + o], rows[first + TOGETHER + o], rows[first + 2 * TOGETHER + o]
                rows[reach + o] = h * (hh * h + 2.0 * (hk * k + hl * l)) + k * (kk * k + 2.0 * kl * l) + ll * l * l


@njit(**CALLED)
def _bound(sources, first, last, frame):
    """Fill the box of scattering vectors of the sources from ``first`` to ``last``, the last excluded."""
    least, most = np.inf, 0.0
    for number in range(3):
        frame[Q_MIDDLE + number] = np.inf
        frame[Q_HALF + number] = -np.inf
    for source in range(first, last):
        inverse = 1.0 / sources[source, WAVELENGTH]
        least, most = min(least, inverse), max(most, inverse)
        x, y, z = sources[source, DIRECTION], sources[source, DIRECTION + 1], sources[source, DIRECTION + 2]
        for number in range(3):
            at = VECTORS + 3 * number
            middle = 0.5 * (frame[LOW + number] + frame[HIGH + number])
            along = (middle - (x * frame[at] + y * frame[at + 1] + z * frame[at + 2])) * inverse
            frame[Q_MIDDLE + number] = min(frame[Q_MIDDLE + number], along)
            frame[Q_HALF + number] = max(frame[Q_HALF + number], along)
    frame[INVERSE] = 0.5 * (least + most)
    frame[INVERSE + 1] = 0.5 * (most - least)
    for number in range(3):
        low, high = frame[Q_MIDDLE + number], frame[Q_HALF + number]
        frame[Q_MIDDLE + number] = 0.5 * (low + high)
        frame[SPREAD + number] = 0.5 * (high - low) + ROUNDING * most
        frame[Q_HALF + number] = 0.5 * (frame[HIGH + number] - frame[LOW + number]) * most + frame[SPREAD + number]


@njit(**CALLED)
def _bound_parts(frame):
    """Fill the boxes of scattering vectors of the parts, from what ``_bound`` has found for the block."""
    middle, half = frame[INVERSE], frame[INVERSE + 1]
    for offset in range(PART_Q, PART_Q + 3 * PARTS):
        frame[offset] = 0.0
    for number in range(3):
        at, row = VECTORS + 3 * number, number * PARTS
        ex, ey, ez = frame[at], frame[at + 1], frame[at + 2]
        for part in range(PARTS):
            away = frame[PART_MIDDLE + row + part] - 0.5 * (frame[LOW + number] + frame[HIGH + number])
            along = frame[Q_MIDDLE + number] + away * middle
            frame[PART_Q + part] += along * ex
            frame[PART_Q + PARTS + part] += along * ey
            frame[PART_Q + 2 * PARTS + part] += along * ez
            wide = frame[PART_HALF + row + part] * (middle + half)
            frame[PART_Q_HALF + row + part] = wide + abs(away) * half + frame[SPREAD + number]


@njit(**EXACT)
def _is_beyond(visits, frame):
    """True where no scattering vector of the box is short enough for a spot that is not zero."""
    square = 0.0
    for number in range(3):
        nearest = max(0.0, abs(frame[Q_MIDDLE + number]) - frame[Q_HALF + number])
        square += nearest * nearest
    return square > visits.farthest


@njit(**EXACT)
def _numbers(axes, rows, a, p):
    """Numbers of the orientation that begins at ``a`` in the axes and at ``p`` in the rows: 9, and 9, 9 and 3."""
    t = TOGETHER
    direct = (
        axes[a], axes[a + t], axes[a + 2 * t], axes[a + 3 * t], axes[a + 4 * t], axes[a + 5 * t],
        axes[a + 6 * t], axes[a + 7 * t], axes[a + 8 * t],
    )  # fmt: skip
    projection = (
        rows[p], rows[p + t], rows[p + 2 * t], rows[p + 3 * t], rows[p + 4 * t], rows[p + 5 * t],
        rows[p + 6 * t], rows[p + 7 * t], rows[p + 8 * t],
    )  # fmt: skip
    covector = (
        rows[p + 9 * t], rows[p + 10 * t], rows[p + 11 * t], rows[p + 12 * t], rows[p + 13 * t], rows[p + 14 * t],
        rows[p + 15 * t], rows[p + 16 * t], rows[p + 17 * t],
    )  # fmt: skip
    return direct, projection, covector, (rows[p + 18 * t], rows[p + 19 * t], rows[p + 20 * t])


@njit(**CONTRACTED)
def _may_be_lit(visits, numbers, qx, qy, qz, half_0, half_1, half_2):
    """False where no scattering vector of a box can be lit by an orientation with those ``numbers``.

    Along h, k and l the box must reach a spot. Where it can reach but one, it must do so along the vectors of the frame
    as well: along the mean direction a box is thin, so that this asks for a spot on the sphere of Ewald.
    """
    direct, projection, covector, reach = numbers
    eh, ek, el = visits.extent
    h = direct[0] * qx + direct[1] * qy + direct[2] * qz
    k = direct[3] * qx + direct[4] * qy + direct[5] * qz
    l = direct[6] * qx + direct[7] * qy + direct[8] * qz
    h, k, l = h - np.rint(h), k - np.rint(k), l - np.rint(l)
    eh += projection[0] * half_0 + projection[3] * half_1 + projection[6] * half_2
    ek += projection[1] * half_0 + projection[4] * half_1 + projection[7] * half_2
    el += projection[2] * half_0 + projection[5] * half_1 + projection[8] * half_2
    dark = (abs(h) > eh) | (abs(k) > ek) | (abs(l) > el)
    u = abs(covector[0] * h + covector[1] * k + covector[2] * l) - half_0
    v = abs(covector[3] * h + covector[4] * k + covector[5] * l) - half_1
    w = abs(covector[6] * h + covector[7] * k + covector[8] * l) - half_2
    beside = (u > 0.0) & (u * u > reach[0]) | (v > 0.0) & (v * v > reach[1]) | (w > 0.0) & (w * w > reach[2])
    single = (eh < 0.5) & (ek < 0.5) & (el < 0.5)
    return not (dark | (beside & single))


@njit(**EXACT)
def _q_box(frame):
    """Middle x, y, z and half widths of the box of scattering vectors."""
    u, v, w = frame[Q_MIDDLE], frame[Q_MIDDLE + 1], frame[Q_MIDDLE + 2]
    qx = u * frame[0] + v * frame[3] + w * frame[6]
    qy = u * frame[1] + v * frame[4] + w * frame[7]
    qz = u * frame[2] + v * frame[5] + w * frame[8]
    return qx, qy, qz, frame[Q_HALF], frame[Q_HALF + 1], frame[Q_HALF + 2]


@njit(**CALLED)
def _choose_from_all(visits, axes, count, survey, found):
    """List in ``found`` which of the first ``count`` orientations of ``axes`` may light a box; returns their number."""
    qx, qy, qz, half_0, half_1, half_2 = _q_box(survey.frame)
    rows, flags, total = survey.rows, survey.flags, 0
    for group in range((count + TOGETHER - 1) // TOGETHER):
        a, p, any_lit = group * AXES_GROUP, group * SURVEY_GROUP, 0.0
        for o in range(TOGETHER):
            numbers = _numbers(axes, rows, a + o, p + o)
            lit = _may_be_lit(visits, numbers, qx, qy, qz, half_0, half_1, half_2)
            flags[o] = 1.0 if lit else 0.0
        for o in range(TOGETHER):
            any_lit = max(any_lit, flags[o])
        if any_lit == 0.0:
            continue
        first = group * TOGETHER
        for o in range(min(TOGETHER, count - first)):
            found[total] = first + o
            total += flags[o] != 0.0
    return total


@njit(**CALLED)
def _choose_from_several(visits, survey, count):
    """List in ``chosen`` the visits that the first ``count`` of ``several`` and the boxes of the parts ask for."""
    frame, flags, found = survey.frame, survey.flags, 0
    for number in range(count):
        candidate = survey.several[number]
        orientation = survey.candidates[candidate]
        _flag_parts(visits, survey.axes, survey.rows, candidate, frame, flags)
        for part in range(PARTS):
            survey.chosen[found] = orientation * PARTS + part
            found += flags[part] != 0.0
    return found


@njit(**CONTRACTED)
def _flag_parts(visits, axes, rows, candidate, frame, flags):
    """Set the flags of the parts that a candidate may light."""
    group, o = candidate // TOGETHER, candidate % TOGETHER
    numbers, q, half = _numbers(axes, rows, group * AXES_GROUP + o, group * SURVEY_GROUP + o), PART_Q, PART_Q_HALF
    for part in range(visits.parts):
        qx, qy, qz = frame[q + part], frame[q + PARTS + part], frame[q + 2 * PARTS + part]
        half_0, half_1, half_2 = frame[half + part], frame[half + PARTS + part], frame[half + 2 * PARTS + part]
        lit = _may_be_lit(visits, numbers, qx, qy, qz, half_0, half_1, half_2)
        flags[part] = 1.0 if lit else 0.0


@njit(**CALLED)
def _widen_by_pixels(panel, plan, rows, frame):
    """Widen the box by the directions of all samples of a block's pixels.

    Between the outermost samples of a pixel a direction departs from a straight line by at most 3/8 of the square of
    their distance over that of the nearest.
    """
    n, deepest, nearest = plan.oversample, plan.layers - 1, np.inf
    for corner in range(8 if plan.layers * n * n > 1 else 1):
        layer, i, j = deepest * (corner // 4), (n - 1) * (corner // 2 % 2), (n - 1) * (corner % 2)
        cast_rays(panel, plan, (layer * n + i) * n + j, rows)
        for lane in range(LANES):
            nearest = min(nearest, rows[DISTANCE + lane])
        _widen(rows, frame)
    (fx, fy, fz), (sx, sy, sz) = panel.fast, panel.slow
    edges = math.sqrt(fx * fx + fy * fy + fz * fz) + math.sqrt(sx * sx + sy * sy + sz * sz)
    width = edges * panel.pixel_size * (n - 1) / n + deepest * panel.layer_step
    bend = width / (nearest - width) if nearest > width else np.inf
    for number in range(3):
        frame[LOW + number] -= bend * bend
        frame[HIGH + number] += bend * bend


@njit(**CALLED)
def _look_ahead(visits, panel, plan, sources, positions, grid, start, block):
    """List the candidates of the strip from ``start`` on, with their axes; returns their number."""
    survey, rows, none = block.survey, block.rows, np.int64(0)
    choose_pixels(positions, grid, start, rows)
    cast_rays(panel, plan, none, rows)
    _frame(panel, rows, survey.frame)
    for first in range(start, min(start + STRIP, len(positions)), LANES):
        choose_pixels(positions, grid, first, rows)
        _widen_by_pixels(panel, plan, rows, survey.frame)
    _bound(sources, none, sources.shape[0], survey.frame)
    if _is_beyond(visits, survey.frame):
        return 0
    _project(visits, visits.axes, visits.orientations, survey)
    count = _choose_from_all(visits, visits.axes, visits.orientations, survey, survey.candidates)
    for number in range((count + TOGETHER - 1) // TOGETHER * TOGETHER):
        orientation = survey.candidates[min(number, count - 1)]
        here = number // TOGETHER * AXES_GROUP + number % TOGETHER
        there = orientation // TOGETHER * AXES_GROUP + orientation % TOGETHER
        for offset in range(0, AXES_GROUP, TOGETHER):
            survey.axes[here + offset] = visits.axes[there + offset]
    return count


@njit(**CALLED)
def _choose_for_all_parts(visits, sources, first, last, survey):
    """List in ``several`` the candidates that the block's box may be lit by for some sources; returns their number."""
    _bound(sources, first, last, survey.frame)
    if _is_beyond(visits, survey.frame):
        return 0
    return _choose_from_all(visits, survey.axes, survey.candidates[-1], survey, survey.several)


def _no_strip_is_dark(visits, panel, plan, sources, positions, grid, start, block):
    return False


def _strip_is_dark(visits, panel, plan, sources, positions, grid, start, block):
    if start % STRIP == 0:
        block.survey.candidates[-1] = _look_ahead(visits, panel, plan, sources, positions, grid, start, block)
    return block.survey.candidates[-1] == 0 and not visits.has_background


def _no_block_is_dark(visits, panel, plan, sources, rows, survey):
    return False


def _block_is_dark(visits, panel, plan, sources, rows, survey):
    if visits.has_background or plan.layers * plan.oversample * plan.oversample == 1:
        return False
    cast_rays(panel, plan, np.int64(0), rows)
    _frame(panel, rows, survey.frame)
    _widen_by_pixels(panel, plan, rows, survey.frame)
    _project(visits, survey.axes, survey.candidates[-1], survey)
    for first in range(0, sources.shape[0], SOURCES_AT_ONCE):
        last = min(first + SOURCES_AT_ONCE, sources.shape[0])
        if _choose_for_all_parts(visits, sources, first, last, survey) > 0:
            return False
    return True


def _look_at_none(visits, panel, rows, survey):
    pass


def _look_at_all(visits, panel, rows, survey):
    _frame(panel, rows, survey.frame)
    _widen(rows, survey.frame)
    _project(visits, survey.axes, survey.candidates[-1], survey)


def _all_sources(visits, sources):
    return sources.shape[0]


def _some_sources(visits, sources):
    return SOURCES_AT_ONCE


def _choose_all(visits, sources, first, last, survey):
    return visits.orientations


def _choose_lit(visits, sources, first, last, survey):
    count = _choose_for_all_parts(visits, sources, first, last, survey)
    if count == 0:
        return 0
    _bound_parts(survey.frame)
    return _choose_from_several(visits, survey, count)


def _none_is_dark(visits, count):
    return False


def _dark_without_lit(visits, count):
    return count == 0 and not visits.has_background


def _turn(visits, survey, turn):
    return turn


def _chosen(visits, survey, turn):
    return survey.chosen[turn] // PARTS


def _all_lanes(visits):
    return LANES


def _lanes_of_a_part(visits):
    return PART


def _from_the_first(visits, survey, turn):
    return 0


def _from_a_part(visits, survey, turn):
    return survey.chosen[turn] % PARTS * PART


def _whole(visits, block, turn):
    return block


def _part(visits, block, turn):
    at = block.survey.chosen[turn] % PARTS * PART
    return Block(block.rows[at:], block.work[at:], block.entries[at:], block.indices[at:], block.survey)


def _always(visits, square):
    return True


def _above_limit(visits, square):
    return not square < visits.limit


def _table(dense, lit, counted=None):
    return {AllSamples: dense, CountedSamples: counted or dense, LitSamples: lit}


DARK_STRIP = _table(_no_strip_is_dark, _strip_is_dark)
DARK_BLOCK = _table(_no_block_is_dark, _block_is_dark)
LOOK = _table(_look_at_none, _look_at_all)
AT_ONCE = _table(_all_sources, _some_sources)
CHOOSE = _table(_choose_all, _choose_lit)
IS_DARK = _table(_none_is_dark, _dark_without_lit)
ORIENTATION = _table(_turn, _chosen)
LANES_AT_ONCE = _table(_all_lanes, _lanes_of_a_part)
FIRST_LANE = _table(_from_the_first, _from_a_part)
PART_AT = _table(_whole, _part)
IS_LIT = _table(_always, _above_limit, _above_limit)


def strip_is_dark(visits, panel, plan, sources, positions, grid, start, block):
    """True where no source lights any sample of the strip that the block at ``start`` is in.

    Called for every block in turn, it looks at each strip once. The block's pixels are to be chosen after it.
    """
    return DARK_STRIP[type(visits)](visits, panel, plan, sources, positions, grid, start, block)


def block_is_dark(visits, panel, plan, sources, rows, survey):
    """True where no source lights any of the samples of a block's pixels, of which there are several."""
    return DARK_BLOCK[type(visits)](visits, panel, plan, sources, rows, survey)


def look(visits, panel, rows, survey):
    """Prepare the choice of orientations for a block of samples whose directions are known."""
    return LOOK[type(visits)](visits, panel, rows, survey)


def sources_at_once(visits, sources):
    """Neighbouring sources for which visits are chosen together."""
    return AT_ONCE[type(visits)](visits, sources)


def choose(visits, sources, first, last, survey):
    """Choose visits for the sources from ``first`` to ``last``, the last excluded; returns their number."""
    return CHOOSE[type(visits)](visits, sources, first, last, survey)


def is_dark(visits, count):
    """True where a source with ``count`` visits adds nothing to the block."""
    return IS_DARK[type(visits)](visits, count)


def orientation_at(visits, survey, turn):
    """Orientation of visit number ``turn``."""
    return ORIENTATION[type(visits)](visits, survey, turn)


def lanes_at_once(visits):
    """Lanes of a visit, a constant."""
    return LANES_AT_ONCE[type(visits)](visits)


def first_lane(visits, survey, turn):
    """First lane of visit number ``turn``."""
    return FIRST_LANE[type(visits)](visits, survey, turn)


def part_at(visits, block, turn):
    """The block from the first lane of visit number ``turn`` on: its rows begin there."""
    return PART_AT[type(visits)](visits, block, turn)


def is_lit(visits, square):
    """True where S^2 counts."""
    return IS_LIT[type(visits)](visits, square)


@overload(strip_is_dark, jit_options=CALLED)
def _is_dark_strip(visits, panel, plan, sources, positions, grid, start, block):
    return DARK_STRIP[visits.instance_class]


@overload(block_is_dark, jit_options=CALLED)
def _is_dark_block(visits, panel, plan, sources, rows, survey):
    return DARK_BLOCK[visits.instance_class]


@overload(look, jit_options=CALLED)
def _look(visits, panel, rows, survey):
    return LOOK[visits.instance_class]


@overload(sources_at_once, jit_options=EXACT)
def _sources_at_once(visits, sources):
    return AT_ONCE[visits.instance_class]


@overload(choose, jit_options=CALLED)
def _choose(visits, sources, first, last, survey):
    return CHOOSE[visits.instance_class]


@overload(is_dark, jit_options=EXACT)
def _is_dark(visits, count):
    return IS_DARK[visits.instance_class]


@overload(orientation_at, jit_options=EXACT)
def _orientation_at(visits, survey, turn):
    return ORIENTATION[visits.instance_class]


@overload(lanes_at_once, jit_options=EXACT)
def _lanes_at_once(visits):
    return LANES_AT_ONCE[visits.instance_class]


@overload(first_lane, jit_options=EXACT)
def _first_lane(visits, survey, turn):
    return FIRST_LANE[visits.instance_class]


@overload(part_at, jit_options=EXACT)
def _part_at(visits, block, turn):
    return PART_AT[visits.instance_class]


@overload(is_lit, jit_options=EXACT)
def _is_lit(visits, square):
    return IS_LIT[visits.instance_class]
