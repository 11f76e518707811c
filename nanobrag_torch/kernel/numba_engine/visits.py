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

from nanobrag_torch.kernel.numba_engine.jit_options import CONTRACTED, EXACT, LANES
from nanobrag_torch.kernel.numba_engine.rays import DX, DY, DZ
from nanobrag_torch.kernel.tables import DIRECTION, WAVELENGTH

#: Neighbouring sources that are looked at together first.
SOURCES_AT_ONCE = 8
#: Part of 1/wavelength by which boxes are widened: more than the rounding of an index.
ROUNDING = 4e-12
#: Rows of ``axes``: x of a, b, c and of a*, b*, c*; y and z follow.
DIRECT, STAR = 0, 9
#: Rows of a survey, one number an orientation: projections of a, b, c on the three vectors of the frame, of these on
#: a*, b*, c*, and the reach of a spot along them.
PROJECTION, COVECTOR, REACH = 0, 9, 18
SURVEY_ROWS = 21
#: Places of the frame: its three vectors, the middle of the box, its half widths; then those of a box of scattering
#: vectors.
VECTORS, MIDDLE, HALF, Q_MIDDLE, Q_HALF = 0, 9, 12, 15, 18
FRAME_SIZE = 21


class AllSamples(NamedTuple):
    """Every orientation for every block; ``orientations`` is their number."""

    orientations: int


class LitSamples(NamedTuple):
    """Orientations near a reciprocal lattice point.

    Attributes:
        orientations: Their number.
        limit: S^2 below which a sample counts as zero, in the precision of the evaluation.
        has_background: True where samples of dark sources count as well.
        axes: (18, O), the rows ``DIRECT`` and ``STAR``, in metres and 1/metre.
        extent: Half widths of a spot along h, k, l.
        body: Six numbers hh, kk, ll, hk, hl, kl of the matrix V; lit remainders d have d V^-1 d <= 1.
    """

    orientations: int
    limit: float
    has_background: bool
    axes: np.ndarray
    extent: tuple[float, float, float]
    body: tuple[float, float, float, float, float, float]


class Survey(NamedTuple):
    """Arrays for the choice of orientations: a frame, rows of one number an orientation, and two lists."""

    frame: np.ndarray
    rows: np.ndarray
    flags: np.ndarray
    several: np.ndarray
    chosen: np.ndarray
    counts: np.ndarray


@njit(**EXACT)
def new_survey(visits):
    """Arrays for as many orientations as there are to choose from."""
    count = visits.orientations
    return Survey(
        np.empty(FRAME_SIZE),
        np.empty((SURVEY_ROWS, count)),
        np.empty(count, dtype=np.int8),
        np.empty(count, dtype=np.int32),
        np.empty(count, dtype=np.int32),
        np.zeros(1, dtype=np.int64),
    )


@njit(**CONTRACTED)
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


@njit(**CONTRACTED)
def _project(visits, survey):
    """Fill the rows of a survey."""
    frame, rows, axes = survey.frame, survey.rows, visits.axes
    hh, kk, ll, hk, hl, kl = visits.body
    for number in range(3):
        ex, ey, ez = frame[VECTORS + 3 * number], frame[VECTORS + 3 * number + 1], frame[VECTORS + 3 * number + 2]
        for axis in range(3):
            at, to = DIRECT + 3 * axis, PROJECTION + 3 * number + axis
            star, covector = STAR + 3 * axis, COVECTOR + 3 * number + axis
            for o in range(visits.orientations):
                rows[to, o] = abs(axes[at, o] * ex + axes[at + 1, o] * ey + axes[at + 2, o] * ez)
                rows[covector, o] = axes[star, o] * ex + axes[star + 1, o] * ey + axes[star + 2, o] * ez
        first = COVECTOR + 3 * number
        for o in range(visits.orientations):
            h, k, l = rows[first, o], rows[first + 1, o], rows[first + 2, o]
            square = h * (hh * h + 2.0 * (hk * k + hl * l)) + k * (kk * k + 2.0 * kl * l) + ll * l * l
            rows[REACH + number, o] = math.sqrt(square)


@njit(**CONTRACTED)
def _bound(sources, first, last, frame):
    """Fill the box of scattering vectors of the sources from ``first`` to ``last``, the last excluded."""
    for number in range(3):
        ex, ey, ez = frame[VECTORS + 3 * number], frame[VECTORS + 3 * number + 1], frame[VECTORS + 3 * number + 2]
        low, high, slack = np.inf, -np.inf, 0.0
        for source in range(first, last):
            wavelength = sources[source, WAVELENGTH]
            ix, iy, iz = sources[source, DIRECTION], sources[source, DIRECTION + 1], sources[source, DIRECTION + 2]
            middle = frame[MIDDLE + number] - (ix * ex + iy * ey + iz * ez)
            low = min(low, (middle - frame[HALF + number]) / wavelength)
            high = max(high, (middle + frame[HALF + number]) / wavelength)
            slack = max(slack, ROUNDING / wavelength)
        frame[Q_MIDDLE + number] = 0.5 * (low + high)
        frame[Q_HALF + number] = 0.5 * (high - low) + slack


@njit(**CONTRACTED)
def _may_be_lit(visits, rows, o, qx, qy, qz, half_0, half_1, half_2):
    """False where no scattering vector of a box can be lit by orientation ``o``.

    Along h, k and l the box must reach a spot. Where it can reach but one, it must do so along the vectors of the frame
    as well: along the mean direction a box is thin, so that this asks for a spot on the sphere of Ewald.
    """
    axes = visits.axes
    eh, ek, el = visits.extent
    h = axes[0, o] * qx + axes[1, o] * qy + axes[2, o] * qz
    k = axes[3, o] * qx + axes[4, o] * qy + axes[5, o] * qz
    l = axes[6, o] * qx + axes[7, o] * qy + axes[8, o] * qz
    h, k, l = h - np.rint(h), k - np.rint(k), l - np.rint(l)
    eh += rows[0, o] * half_0 + rows[3, o] * half_1 + rows[6, o] * half_2
    ek += rows[1, o] * half_0 + rows[4, o] * half_1 + rows[7, o] * half_2
    el += rows[2, o] * half_0 + rows[5, o] * half_1 + rows[8, o] * half_2
    dark = (abs(h) > eh) | (abs(k) > ek) | (abs(l) > el)
    u = abs(rows[9, o] * h + rows[10, o] * k + rows[11, o] * l)
    v = abs(rows[12, o] * h + rows[13, o] * k + rows[14, o] * l)
    w = abs(rows[15, o] * h + rows[16, o] * k + rows[17, o] * l)
    beside = (u > half_0 + rows[18, o]) | (v > half_1 + rows[19, o]) | (w > half_2 + rows[20, o])
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


@njit(**CONTRACTED)
def _choose_from_all(visits, survey):
    """List in ``several`` the orientations that a box may be lit by; returns their number."""
    qx, qy, qz, half_0, half_1, half_2 = _q_box(survey.frame)
    rows, flags, several = survey.rows, survey.flags, survey.several
    for o in range(visits.orientations):
        flags[o] = _may_be_lit(visits, rows, o, qx, qy, qz, half_0, half_1, half_2)
    found = 0
    for o in range(visits.orientations):
        several[found] = o
        found += flags[o]
    return found


@njit(**CONTRACTED)
def _choose_from_several(visits, survey, count):
    """List in ``chosen`` those of the first ``count`` of ``several`` that a box may be lit by; returns their number."""
    qx, qy, qz, half_0, half_1, half_2 = _q_box(survey.frame)
    found = 0
    for number in range(count):
        o = survey.several[number]
        survey.chosen[found] = o
        found += _may_be_lit(visits, survey.rows, o, qx, qy, qz, half_0, half_1, half_2)
    return found


def _look_at_none(visits, panel, rows, survey):
    pass


def _look_at_all(visits, panel, rows, survey):
    _frame(panel, rows, survey.frame)
    _project(visits, survey)


def _choose_all(visits, sources, source, survey):
    return visits.orientations


def _choose_lit(visits, sources, source, survey):
    total = sources.shape[0]
    if source % SOURCES_AT_ONCE == 0:
        _bound(sources, source, min(source + SOURCES_AT_ONCE, total), survey.frame)
        survey.counts[0] = _choose_from_all(visits, survey)
    count = survey.counts[0]
    if count > 0:
        _bound(sources, source, source + 1, survey.frame)
        count = _choose_from_several(visits, survey, count)
    return count


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
CHOOSE = {AllSamples: _choose_all, LitSamples: _choose_lit}
IS_DARK = {AllSamples: _none_is_dark, LitSamples: _dark_without_lit}
ORIENTATION = {AllSamples: _turn, LitSamples: _chosen}
IS_LIT = {AllSamples: _always, LitSamples: _above_limit}


def look(visits, panel, rows, survey):
    """Prepare the choice of orientations for a block of samples whose directions are known."""
    return LOOK[type(visits)](visits, panel, rows, survey)


def choose(visits, sources, source, survey):
    """Choose the orientations that may light a sample of the block; returns their number. Sources come in order."""
    return CHOOSE[type(visits)](visits, sources, source, survey)


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


@overload(choose, jit_options=EXACT)
def _choose(visits, sources, source, survey):
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
