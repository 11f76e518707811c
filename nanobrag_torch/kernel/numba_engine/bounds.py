"""Bounds: which orientations may light a box of directions, for strips, blocks and parts of blocks of samples.

The directions of a block lie in a box of a frame of its own, so the scattering vectors of a source, or of several,
do as well; its parts have smaller boxes in the same frame, and several blocks together, a strip, a larger one. An
orientation is passed over where no point of a box is near enough to a reciprocal lattice point, and a cluster of
orientations where none of them is. The bound is rigorous for the samples themselves: tilt, curvature and distance of
the detector do not matter to it.
"""

import math

import numpy as np
from numba import njit

from nanobrag_torch.kernel.numba_engine.jit_options import CALLED, CONTRACTED, EXACT, LANES
from nanobrag_torch.kernel.numba_engine.rays import (
    DISTANCE,
    DX,
    DY,
    DZ,
    FAST,
    QX,
    QY,
    QZ,
    RESOLVED,
    SLOW,
    cast_rays,
    choose_pixels,
)
from nanobrag_torch.kernel.numba_engine.records import PART, PARTS, TOGETHER
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
#: Those of a group of radii, of a, b, c and of a*, b*, c*.
RADII_GROUP = 6 * TOGETHER
#: Steps from the lanes of a part to one.
HALVES = tuple(PART >> i for i in range(1, PART.bit_length()))
HALVES_OF_LANES = tuple(LANES >> i for i in range(1, LANES.bit_length()))
#: Rows that are free while a strip is looked at: the least and, with the other sign, the largest indices of its pixels.
FIRST_SLOW, LAST_SLOW, FIRST_FAST, LAST_FAST = QX, QY, QZ, RESOLVED
#: Offsets of the rows of a survey: projections of a, b, c on the three vectors of the frame, of these on a*, b*, c*,
#: and the square of the reach of a spot along them.
PROJECTION, COVECTOR, REACH = 0, 9 * TOGETHER, 18 * TOGETHER
SURVEY_GROUP = 21 * TOGETHER
#: Places of the frame: its three vectors, the ends of the box; middle and half widths of a box of scattering vectors,
#: and what several sources add to its half widths; middle and half of the range of 1/wavelength. Then, one number a
#: part: middles and half widths of its box, and those of its scattering vectors, x, y, z and along the frame's vectors.
VECTORS, LOW, HIGH, Q_MIDDLE, Q_HALF, SPREAD, INVERSE = 0, 9, 12, 15, 18, 21, 24
PART_MIDDLE, PART_HALF, PART_Q, PART_Q_HALF = range(26, 26 + 12 * PARTS, 3 * PARTS)
#: Then, not 0 where some source may light the block. Beyond these the numbers of all lanes while the ends of a box are
#: sought, low and high, and the least distance.
ANY_SOURCE = 26 + 12 * PARTS
LANE_LOW = ANY_SOURCE + 1
LANE_HIGH = LANE_LOW + LANES
LANE_NEAREST = LANE_HIGH + LANES
FRAME_SIZE = LANE_NEAREST + LANES


@njit(**EXACT)
def groups_of(count):
    """Number of groups of ``count``."""
    return (count + TOGETHER - 1) // TOGETHER


@njit(**CALLED)
def new_frame(panel, rows, frame):
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
def widen(rows, frame):
    """Widen the box by the directions of a block, and fill the boxes of its parts."""
    for number in range(3):
        at = VECTORS + 3 * number
        ex, ey, ez = frame[at], frame[at + 1], frame[at + 2]
        for lane in range(LANES):
            value = rows[DX + lane] * ex + rows[DY + lane] * ey + rows[DZ + lane] * ez
            frame[LANE_LOW + lane] = value
            frame[LANE_HIGH + lane] = value
        # Halves of a part against each other: a minimum of one number after the other would be no vector.
        for part in range(LANE_LOW, LANE_LOW + LANES, PART):
            for half in HALVES:
                for lane in range(part, part + half):
                    frame[lane] = min(frame[lane], frame[lane + half])
                    frame[lane + LANES] = max(frame[lane + LANES], frame[lane + LANES + half])
        for part in range(PARTS):
            low, high = frame[LANE_LOW + part * PART], frame[LANE_HIGH + part * PART]
            frame[PART_MIDDLE + number * PARTS + part] = 0.5 * (low + high)
            frame[PART_HALF + number * PARTS + part] = 0.5 * (high - low)
            frame[LOW + number] = min(frame[LOW + number], low)
            frame[HIGH + number] = max(frame[HIGH + number], high)


@njit(**CALLED)
def project(visits, axes, count, frame, rows):
    """Fill the ``rows`` of a survey for the first ``count`` of ``axes``."""
    hh, kk, ll, hk, hl, kl = visits.body
    for group in range(groups_of(count)):
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
def bound(visits, sources, first, last, frame):
    """Fill the box of scattering vectors of the sources from ``first`` to ``last``, the last excluded."""
    step = max(1, last - first - 1) if visits.in_order else 1
    least, most = np.inf, 0.0
    for number in range(3):
        frame[Q_MIDDLE + number] = np.inf
        frame[Q_HALF + number] = -np.inf
    for source in range(first, last, step):
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
def bound_parts(frame):
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
def is_beyond(visits, frame):
    """True where no scattering vector of the box is short enough for a spot that is not zero."""
    square = 0.0
    for number in range(3):
        nearest = max(0.0, abs(frame[Q_MIDDLE + number]) - frame[Q_HALF + number])
        square += nearest * nearest
    return square > visits.farthest


@njit(**EXACT)
def direct_numbers(axes, a):
    """The 9 numbers of the direct vectors of the orientation that begins at ``a`` in the axes."""
    t = TOGETHER
    return (
        axes[a], axes[a + t], axes[a + 2 * t], axes[a + 3 * t], axes[a + 4 * t], axes[a + 5 * t],
        axes[a + 6 * t], axes[a + 7 * t], axes[a + 8 * t],
    )  # fmt: skip


@njit(**EXACT)
def frame_numbers(rows, p):
    """Numbers of the orientation that begins at ``p`` in the rows: 9 projections, 9 of covectors and 3 reaches."""
    t = TOGETHER
    projection = (
        rows[p], rows[p + t], rows[p + 2 * t], rows[p + 3 * t], rows[p + 4 * t], rows[p + 5 * t],
        rows[p + 6 * t], rows[p + 7 * t], rows[p + 8 * t],
    )  # fmt: skip
    covector = (
        rows[p + 9 * t], rows[p + 10 * t], rows[p + 11 * t], rows[p + 12 * t], rows[p + 13 * t], rows[p + 14 * t],
        rows[p + 15 * t], rows[p + 16 * t], rows[p + 17 * t],
    )  # fmt: skip
    return projection, covector, (rows[p + 18 * t], rows[p + 19 * t], rows[p + 20 * t])


@njit(**EXACT)
def radii_of(radii, at):
    """The 6 radii that begin at ``at``."""
    t = TOGETHER
    return radii[at], radii[at + t], radii[at + 2 * t], radii[at + 3 * t], radii[at + 4 * t], radii[at + 5 * t]


@njit(**CONTRACTED)
def may_be_lit(visits, direct, frame, qx, qy, qz, half_0, half_1, half_2):
    """False where no scattering vector of a box can be lit by an orientation with those numbers.

    Along h, k and l the box must reach a spot. Where it can reach but one, it must do so along the vectors of the frame
    as well: along the mean direction a box is thin, so that this asks for a spot on the sphere of Ewald.
    """
    projection, covector, reach = frame
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
def q_box(frame):
    """Middle x, y, z and half widths of the box of scattering vectors."""
    u, v, w = frame[Q_MIDDLE], frame[Q_MIDDLE + 1], frame[Q_MIDDLE + 2]
    qx = u * frame[0] + v * frame[3] + w * frame[6]
    qy = u * frame[1] + v * frame[4] + w * frame[7]
    qz = u * frame[2] + v * frame[5] + w * frame[8]
    return qx, qy, qz, frame[Q_HALF], frame[Q_HALF + 1], frame[Q_HALF + 2]


@njit(**CONTRACTED)
def may_be_lit_within(visits, direct, frame, radii, of_all, qx, qy, qz, half_0, half_1, half_2):
    """As ``may_be_lit``, where vectors are known within radii only; with radii of 0 it says the same, and takes longer.

    Args:
        visits: Record of visits.
        direct: Direct vectors of one orientation, or mean ones of a cluster.
        frame: Numbers of the cluster's mean in the frame.
        radii: Radii of a, b, c and of a*, b*, c* about the mean, as far as they are from that.
        of_all: True where no orientation of the cluster shall be lit, not the one alone.
        qx, qy, qz: Middle of the box.
        half_0, half_1, half_2: Its half widths along the vectors of the frame.
    """
    projection, covector, reach = frame
    extent_h, extent_k, extent_l = visits.extent
    h = direct[0] * qx + direct[1] * qy + direct[2] * qz
    k = direct[3] * qx + direct[4] * qy + direct[5] * qz
    l = direct[6] * qx + direct[7] * qy + direct[8] * qz
    h0, k0, l0 = np.rint(h), np.rint(k), np.rint(l)
    h, k, l = h - h0, k - k0, l - l0
    # An index is off by a radius times the length of a scattering vector, or of the way to one from the middle.
    length = half_0 + half_1 + half_2
    if of_all:
        length += math.sqrt(qx * qx + qy * qy + qz * qz)
    eh = extent_h + radii[0] * length + projection[0] * half_0 + projection[3] * half_1 + projection[6] * half_2
    ek = extent_k + radii[1] * length + projection[1] * half_0 + projection[4] * half_1 + projection[7] * half_2
    el = extent_l + radii[2] * length + projection[2] * half_0 + projection[5] * half_1 + projection[8] * half_2
    dark = (abs(h) > eh) | (abs(k) > ek) | (abs(l) > el)
    # A point of the reciprocal lattice is off by its indices times radii, the way to one from it by remainders.
    far_h, far_k, far_l = (abs(h0), abs(k0), abs(l0)) if of_all else (abs(h), abs(k), abs(l))
    away = radii[3] * (far_h + extent_h) + radii[4] * (far_k + extent_k) + radii[5] * (far_l + extent_l)
    u = abs(covector[0] * h + covector[1] * k + covector[2] * l) - half_0 - away
    v = abs(covector[3] * h + covector[4] * k + covector[5] * l) - half_1 - away
    w = abs(covector[6] * h + covector[7] * k + covector[8] * l) - half_2 - away
    beside = (u > 0.0) & (u * u > reach[0]) | (v > 0.0) & (v * v > reach[1]) | (w > 0.0) & (w * w > reach[2])
    single = (eh < 0.5) & (ek < 0.5) & (el < 0.5)
    return not (dark | (beside & single))


@njit(**EXACT)
def outermost_samples(plan):
    """Number of the samples at the corners of a pixel's layers: 8, or 1 of 1."""
    return 8 if plan.layers * plan.oversample * plan.oversample > 1 else 1


@njit(**EXACT)
def outermost_sample(plan, corner):
    """Sample at a corner of a pixel's layers."""
    n, deepest = plan.oversample, plan.layers - 1
    layer, i, j = deepest * (corner // 4), (n - 1) * (corner // 2 % 2), (n - 1) * (corner % 2)
    return (layer * n + i) * n + j


@njit(**EXACT)
def bend_within_pixels(panel, plan, nearest, across, down):
    """Part of a direction by which samples may lie outside the box of the outermost ones of pixels.

    On a straight line of length L whose nearest point is at a distance r, a direction departs from one between those of
    the ends by at most (4/3)^(1/2) (L/r)^2 / 8; within a body with straight edges by the sum of that along its edges.

    Args:
        panel: Record of the detector.
        plan: Sampling of a pixel.
        nearest: Distance of the nearest outermost sample.
        across, down: Pixels along fast and slow from the first pixel to the last.
    """
    n = plan.oversample
    (fx, fy, fz), (sx, sy, sz) = panel.fast, panel.slow
    within = (n - 1) / n
    fast = math.sqrt(fx * fx + fy * fy + fz * fz) * panel.pixel_size * (across + within)
    slow = math.sqrt(sx * sx + sy * sy + sz * sz) * panel.pixel_size * (down + within)
    deep = (plan.layers - 1) * panel.layer_step
    nearest -= fast + slow + deep
    return 0.15 * (fast * fast + slow * slow + deep * deep) / (nearest * nearest) if nearest > 0.0 else np.inf


@njit(**CALLED)
def widen_by_pixels(panel, plan, rows, across, down, frame):
    """Widen the box by the directions of all samples of a block's pixels and of those between them.

    ``across`` and ``down`` are the pixels from the first to the last along fast and slow, 0 where none lie between.
    """
    for lane in range(LANES):
        frame[LANE_NEAREST + lane] = np.inf
    for corner in range(outermost_samples(plan)):
        cast_rays(panel, plan, outermost_sample(plan, corner), rows)
        for lane in range(LANES):
            frame[LANE_NEAREST + lane] = min(frame[LANE_NEAREST + lane], rows[DISTANCE + lane])
        widen(rows, frame)
    bend = bend_within_pixels(panel, plan, least_of(frame, LANE_NEAREST), across, down)
    for number in range(3):
        frame[LOW + number] -= bend
        frame[HIGH + number] += bend


@njit(**CALLED)
def least_of(rows, first):
    """The least of the lanes from ``first`` on, which are overwritten."""
    for half in HALVES_OF_LANES:
        for lane in range(first, first + half):
            rows[lane] = min(rows[lane], rows[lane + half])
    return rows[first]


@njit(**CALLED)
def widen_by_strip(panel, plan, positions, grid, start, rows, frame):
    """Fill the frame for the samples of the strip from ``start`` on, by the corners around its pixels."""
    choose_pixels(positions, grid, start, rows)
    for lane in range(LANES):
        rows[FIRST_SLOW + lane], rows[LAST_SLOW + lane] = rows[SLOW + lane], -rows[SLOW + lane]
        rows[FIRST_FAST + lane], rows[LAST_FAST + lane] = rows[FAST + lane], -rows[FAST + lane]
    for first in range(start + LANES, min(start + STRIP, len(positions)), LANES):
        choose_pixels(positions, grid, first, rows)
        for lane in range(LANES):
            slow, fast = rows[SLOW + lane], rows[FAST + lane]
            rows[FIRST_SLOW + lane] = min(rows[FIRST_SLOW + lane], slow)
            rows[LAST_SLOW + lane] = min(rows[LAST_SLOW + lane], -slow)
            rows[FIRST_FAST + lane] = min(rows[FIRST_FAST + lane], fast)
            rows[LAST_FAST + lane] = min(rows[LAST_FAST + lane], -fast)
    slow, fast = least_of(rows, FIRST_SLOW), least_of(rows, FIRST_FAST)
    down, across = -least_of(rows, LAST_SLOW) - slow, -least_of(rows, LAST_FAST) - fast
    for lane in range(LANES):
        rows[SLOW + lane] = slow + lane // 2 % 2 * down
        rows[FAST + lane] = fast + lane % 2 * across
    cast_rays(panel, plan, np.int64(0), rows)
    new_frame(panel, rows, frame)
    widen_by_pixels(panel, plan, rows, across, down, frame)
