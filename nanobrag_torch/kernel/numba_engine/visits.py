"""Orientations that a block of samples visits: all of them, or those that may light one of its samples.

The directions of a block lie in a box of a frame of its own, so the scattering vectors of a source, or of several,
do as well. An orientation is passed over where no point of that box is near enough to a reciprocal lattice point. The
bound is rigorous for the samples themselves: tilt, curvature and distance of the detector do not matter to it. What
counts as zero is decided sample by sample (``is_lit``), so that an image does not depend on what was passed over.
"""

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numba.extending import overload

from nanobrag_torch.kernel.numba_engine.jit_options import CALLED, CONTRACTED, EXACT, LANES
from nanobrag_torch.kernel.numba_engine.rays import DX, DY, DZ
from nanobrag_torch.kernel.numba_engine.records import TOGETHER, AllSamples, LitSamples
from nanobrag_torch.kernel.numba_engine.scratch import scratch
from nanobrag_torch.kernel.tables import DIRECTION, WAVELENGTH

#: Neighbouring sources that are looked at together first.
SOURCES_AT_ONCE = 8
#: Part of 1/wavelength by which boxes are widened: more than the rounding of an index.
ROUNDING = 4e-12
#: Offsets of the rows of ``axes``: x of a, b, c and of a*, b*, c*; y and z follow.
DIRECT, STAR = 0, 9 * TOGETHER
AXES_GROUP = 18 * TOGETHER
#: Offsets of the rows of a survey: projections of a, b, c on the three vectors of the frame, of these on a*, b*, c*,
#: and the reach of a spot along them.
PROJECTION, COVECTOR, REACH = 0, 9 * TOGETHER, 18 * TOGETHER
SURVEY_GROUP = 21 * TOGETHER
#: Places of the frame: its three vectors, the middle of the box, its half widths; then those of a box of scattering
#: vectors.
VECTORS, MIDDLE, HALF, Q_MIDDLE, Q_HALF = 0, 9, 12, 15, 18
FRAME_SIZE = 21


class Survey(NamedTuple):
    """Arrays for the choice of orientations: a frame, rows of one number an orientation, and two lists."""

    frame: np.ndarray
    rows: np.ndarray
    flags: np.ndarray
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
        scratch(count + 1, np.int32),
        scratch(count + 1, np.int32),
    )


@njit(**CALLED)
def _frame(panel, rows, frame):
    """Fill the frame: vectors along the mean direction, nearest to fast, and across; and the box of directions."""
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
        low, high = np.inf, -np.inf
        for lane in range(LANES):
            value = rows[DX + lane] * ex + rows[DY + lane] * ey + rows[DZ + lane] * ez
            low, high = min(low, value), max(high, value)
        frame[VECTORS + 3 * number] = ex
        frame[VECTORS + 3 * number + 1] = ey
        frame[VECTORS + 3 * number + 2] = ez
        frame[MIDDLE + number] = 0.5 * (low + high)
        frame[HALF + number] = 0.5 * (high - low)


@njit(**CALLED)
def _project(visits, survey):
    """Fill the rows of a survey."""
    frame, rows, axes = survey.frame, survey.rows, visits.axes
    hh, kk, ll, hk, hl, kl = visits.body
    for group in range(rows.size // SURVEY_GROUP):
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
                square = h * (hh * h + 2.0 * (hk * k + hl * l)) + k * (kk * k + 2.0 * kl * l) + ll * l * l
                rows[reach + o] = math.sqrt(square)


@njit(**CALLED)
def _bound(sources, first, last, frame):
    """Fill the box of scattering vectors of the sources from ``first`` to ``last``, the last excluded."""
    for number in range(3):
        frame[Q_MIDDLE + number] = np.inf
        frame[Q_HALF + number] = -np.inf
    slack = 0.0
    for source in range(first, last):
        inverse = 1.0 / sources[source, WAVELENGTH]
        slack = max(slack, ROUNDING * inverse)
        x, y, z = sources[source, DIRECTION], sources[source, DIRECTION + 1], sources[source, DIRECTION + 2]
        for number in range(3):
            at = VECTORS + 3 * number
            middle = frame[MIDDLE + number] - (x * frame[at] + y * frame[at + 1] + z * frame[at + 2])
            low, high = (middle - frame[HALF + number]) * inverse, (middle + frame[HALF + number]) * inverse
            frame[Q_MIDDLE + number] = min(frame[Q_MIDDLE + number], low)
            frame[Q_HALF + number] = max(frame[Q_HALF + number], high)
    for number in range(3):
        low, high = frame[Q_MIDDLE + number], frame[Q_HALF + number]
        frame[Q_MIDDLE + number] = 0.5 * (low + high)
        frame[Q_HALF + number] = 0.5 * (high - low) + slack


@njit(**CONTRACTED)
def _may_be_lit(visits, rows, a, p, qx, qy, qz, half_0, half_1, half_2):
    """False where no scattering vector of a box can be lit by an orientation.

    Along h, k and l the box must reach a spot. Where it can reach but one, it must do so along the vectors of the frame
    as well: along the mean direction a box is thin, so that this asks for a spot on the sphere of Ewald. The numbers of
    the orientation begin at ``a`` in the axes and at ``p`` in the rows.
    """
    axes, t = visits.axes, TOGETHER
    eh, ek, el = visits.extent
    h = axes[a] * qx + axes[a + t] * qy + axes[a + 2 * t] * qz
    k = axes[a + 3 * t] * qx + axes[a + 4 * t] * qy + axes[a + 5 * t] * qz
    l = axes[a + 6 * t] * qx + axes[a + 7 * t] * qy + axes[a + 8 * t] * qz
    h, k, l = h - np.rint(h), k - np.rint(k), l - np.rint(l)
    eh += rows[p] * half_0 + rows[p + 3 * t] * half_1 + rows[p + 6 * t] * half_2
    ek += rows[p + t] * half_0 + rows[p + 4 * t] * half_1 + rows[p + 7 * t] * half_2
    el += rows[p + 2 * t] * half_0 + rows[p + 5 * t] * half_1 + rows[p + 8 * t] * half_2
    dark = (abs(h) > eh) | (abs(k) > ek) | (abs(l) > el)
    u = abs(rows[p + 9 * t] * h + rows[p + 10 * t] * k + rows[p + 11 * t] * l)
    v = abs(rows[p + 12 * t] * h + rows[p + 13 * t] * k + rows[p + 14 * t] * l)
    w = abs(rows[p + 15 * t] * h + rows[p + 16 * t] * k + rows[p + 17 * t] * l)
    beside = (u > half_0 + rows[p + 18 * t]) | (v > half_1 + rows[p + 19 * t]) | (w > half_2 + rows[p + 20 * t])
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
def _choose_from_all(visits, survey):
    """List in ``several`` the orientations that a box may be lit by; returns their number."""
    qx, qy, qz, half_0, half_1, half_2 = _q_box(survey.frame)
    rows, flags, several = survey.rows, survey.flags, survey.several
    found = 0
    for group in range(rows.size // SURVEY_GROUP):
        a, p, any_lit = group * AXES_GROUP, group * SURVEY_GROUP, 0.0
        for o in range(TOGETHER):
            lit = _may_be_lit(visits, rows, a + o, p + o, qx, qy, qz, half_0, half_1, half_2)
            flags[o] = 1.0 if lit else 0.0
        for o in range(TOGETHER):
            any_lit = max(any_lit, flags[o])
        if any_lit == 0.0:
            continue
        first = group * TOGETHER
        for o in range(min(TOGETHER, visits.orientations - first)):
            several[found] = first + o
            found += flags[o] != 0.0
    return found


@njit(**CALLED)
def _choose_from_several(visits, survey, count):
    """List in ``chosen`` those of the first ``count`` of ``several`` that a box may be lit by; returns their number."""
    qx, qy, qz, half_0, half_1, half_2 = _q_box(survey.frame)
    found = 0
    for number in range(count):
        orientation = survey.several[number]
        group, o = orientation // TOGETHER, orientation % TOGETHER
        a, p = group * AXES_GROUP + o, group * SURVEY_GROUP + o
        survey.chosen[found] = orientation
        found += _may_be_lit(visits, survey.rows, a, p, qx, qy, qz, half_0, half_1, half_2)
    return found


def _look_at_none(visits, panel, rows, survey):
    pass


def _look_at_all(visits, panel, rows, survey):
    _frame(panel, rows, survey.frame)
    _project(visits, survey)


def _all_sources(visits, sources):
    return sources.shape[0]


def _some_sources(visits, sources):
    return SOURCES_AT_ONCE


def _all_for_several(visits, sources, first, last, survey):
    return visits.orientations


def _lit_for_several(visits, sources, first, last, survey):
    _bound(sources, first, last, survey.frame)
    return _choose_from_all(visits, survey)


def _choose_all(visits, sources, source, survey, several):
    return visits.orientations


def _choose_lit(visits, sources, source, survey, several):
    if sources.shape[0] == 1:
        for number in range(several):
            survey.chosen[number] = survey.several[number]
        return several
    _bound(sources, source, source + 1, survey.frame)
    return _choose_from_several(visits, survey, several)


def _none_is_dark(visits, count):
    return False


def _dark_without_lit(visits, count):
    return count == 0 and not visits.has_background


def _turn(visits, survey, turn):
    return turn


def _chosen(visits, survey, turn):
    return survey.chosen[turn]


def _always(visits, square):
    return True


def _above_limit(visits, square):
    return not square < visits.limit


LOOK = {AllSamples: _look_at_none, LitSamples: _look_at_all}
AT_ONCE = {AllSamples: _all_sources, LitSamples: _some_sources}
FOR_SEVERAL = {AllSamples: _all_for_several, LitSamples: _lit_for_several}
CHOOSE = {AllSamples: _choose_all, LitSamples: _choose_lit}
IS_DARK = {AllSamples: _none_is_dark, LitSamples: _dark_without_lit}
ORIENTATION = {AllSamples: _turn, LitSamples: _chosen}
IS_LIT = {AllSamples: _always, LitSamples: _above_limit}


def look(visits, panel, rows, survey):
    """Prepare the choice of orientations for a block of samples whose directions are known."""
    return LOOK[type(visits)](visits, panel, rows, survey)


def sources_at_once(visits, sources):
    """Neighbouring sources for which orientations are chosen together first."""
    return AT_ONCE[type(visits)](visits, sources)


def choose_for_several(visits, sources, first, last, survey):
    """Choose orientations for the sources from ``first`` to ``last``, the last excluded; returns their number."""
    return FOR_SEVERAL[type(visits)](visits, sources, first, last, survey)


def choose(visits, sources, source, survey, several):
    """Choose from ``several`` orientations those that may light a sample of the block; returns their number."""
    return CHOOSE[type(visits)](visits, sources, source, survey, several)


def is_dark(visits, count):
    """True where a source with ``count`` chosen orientations adds nothing to the block."""
    return IS_DARK[type(visits)](visits, count)


def orientation_at(visits, survey, turn):
    """Orientation number ``turn`` among the chosen."""
    return ORIENTATION[type(visits)](visits, survey, turn)


def is_lit(visits, square):
    """True where S^2 counts."""
    return IS_LIT[type(visits)](visits, square)


@overload(look, jit_options=EXACT)
def _look(visits, panel, rows, survey):
    return LOOK[visits.instance_class]


@overload(sources_at_once, jit_options=EXACT)
def _sources_at_once(visits, sources):
    return AT_ONCE[visits.instance_class]


@overload(choose_for_several, jit_options=EXACT)
def _choose_for_several(visits, sources, first, last, survey):
    return FOR_SEVERAL[visits.instance_class]


@overload(choose, jit_options=EXACT)
def _choose(visits, sources, source, survey, several):
    return CHOOSE[visits.instance_class]


@overload(is_dark, jit_options=EXACT)
def _is_dark(visits, count):
    return IS_DARK[visits.instance_class]


@overload(orientation_at, jit_options=EXACT)
def _orientation_at(visits, survey, turn):
    return ORIENTATION[visits.instance_class]


@overload(is_lit, jit_options=EXACT)
def _is_lit(visits, square):
    return IS_LIT[visits.instance_class]
