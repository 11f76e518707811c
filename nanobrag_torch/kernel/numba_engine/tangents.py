"""Forward sensitivities: tangents of the photons in each pixel for some parameters, all of them in one sweep.

``tangents`` are the derivatives of the tables with respect to the parameters, which come first. Slopes against indices
are those of the reverse pass, for a cotangent of 1; rows of a parameter lie in ``moving``, one group each.
"""

import math

import numpy as np
from numba import njit

from nanobrag_torch.kernel.numba_engine.blocks import new_block, release_block
from nanobrag_torch.kernel.numba_engine.jit_options import CONTRACTED, EXACT, LANES
from nanobrag_torch.kernel.numba_engine.lookups import moving_squares, square_slopes
from nanobrag_torch.kernel.numba_engine.orientations import CELL, DH, DK, DL, LATTICE, reduce_indices
from nanobrag_torch.kernel.numba_engine.rays import (
    CAPTURE,
    DISTANCE,
    DX,
    DY,
    DZ,
    OMEGA,
    POLAR,
    QX,
    QY,
    QZ,
    RESOLVED,
    SHARED_WITH,
    SIZE_F,
    SIZE_S,
    TERM,
    TOTAL,
    cast_rays,
    choose_pixels,
    fill,
    scatter,
    weigh_capture,
    weigh_pixels,
    weigh_polarization,
    weigh_solid_angle,
)
from nanobrag_torch.kernel.numba_engine.reverse_orientations import (
    ANGSTROM,
    BCELL,
    BH,
    BK,
    BL,
    BQX,
    BQY,
    BQZ,
    BSUM,
    BUX,
    BUY,
    BUZ,
    CH,
    REVERSE_ROWS,
    UX,
    UY,
    UZ,
    WORK_ROWS,
    pull_back_index,
    pull_back_product,
)
from nanobrag_torch.kernel.numba_engine.scratch import release, scratch
from nanobrag_torch.kernel.numba_engine.shapes import parameter_count, parameter_slopes
from nanobrag_torch.kernel.numba_engine.visits import (
    block_is_dark,
    choose,
    first_lane,
    is_dark,
    is_lit,
    lanes_at_once,
    look,
    orientation_at,
    part_at,
    sources_at_once,
    strip_is_dark,
)
from nanobrag_torch.kernel.tables import (
    ALONG_FAST,
    ALONG_SLOW,
    BACKGROUND,
    DEPTH,
    DIRECTION,
    FORM,
    LAYER_STEP,
    NORMAL,
    OMEGA_2,
    OMEGA_3,
    ORIGIN,
    PIXEL_SIZE,
    SCALE,
    WAVELENGTH,
    WEIGHT,
)

#: Rows of a parameter: tangents of the direction, of the three factors, of the sum over orientations and of the pixel.
MX, MY, MZ, MOMEGA, MCAPTURE, MPOLAR, MTERM, MTOTAL = range(0, 8 * LANES, LANES)
GROUP = 8 * LANES
#: Components of the direct vectors of an orientation.
VECTOR_ROWS = 9
#: Row of the tangent of the distance, in one that is free until the sum over orientations.
MDISTANCE = BQX


@njit(**EXACT)
def _moves(moved, count):
    """True where one of the first ``count`` tangents of a row is not zero: what does not move need not be pushed."""
    found = 0
    for place in range(count):
        found += moved[place] != 0.0
    return found > 0


@njit(**EXACT)
def _push_pixels(inputs, block, moving, slopes, tangents, turns):
    """Fill TOTAL and the groups of ``moving``.

    ``turns`` has four numbers for each parameter, all first ones first: not 0 where it turns rays, moves a source,
    moves a direct vector, moves the shape. What is 0 there is left out.
    """
    panel, plan, sources, rows = inputs.panel, inputs.plan, inputs.sources, block.rows
    visits, survey = inputs.visits, block.survey
    count = moving.size // GROUP
    fill(rows, TOTAL, TOTAL, 0.0)
    for parameter in range(count):
        fill(moving, parameter * GROUP, parameter * GROUP + MTOTAL, 0.0)
    if block_is_dark(visits, panel, plan, sources, rows, survey):
        return
    weigh_pixels(panel, plan, sources, rows)
    _push_shared(panel, plan, sources, rows, moving, tangents, turns)
    for sample in range(plan.layers * plan.oversample * plan.oversample):
        cast_rays(panel, plan, sample, rows)
        if plan.omega_at < 0:
            weigh_solid_angle(panel, rows)
        if plan.capture_at < 0:
            weigh_capture(panel, plan, sample, rows)
        for parameter in range(count):
            if turns[parameter] == 0.0:
                continue
            moved, group = tangents.panel[parameter], parameter * GROUP
            _push_ray(panel, plan, sample, moved, rows, moving, group)
            if plan.omega_at < 0:
                _push_solid_angle(panel, moved, rows, moving, group)
            if plan.capture_at < 0 and plan.has_sensor:
                _push_capture(panel, plan, sample, moved, rows, moving, group)
        look(visits, panel, rows, survey)
        at_once = sources_at_once(visits, sources)
        for first in range(0, sources.shape[0], at_once):
            last = min(first + at_once, sources.shape[0])
            chosen = choose(visits, sources, first, last, survey)
            if is_dark(visits, chosen):
                continue
            for source in range(first, last):
                scatter(sources, source, plan, rows)
                if plan.polar_first == 0:
                    weigh_polarization(sources, source, rows)
                _push_orientations(inputs, block, chosen, moving, slopes, tangents, turns)
                for parameter in range(count):
                    moved, group = tangents.sources[parameter, source], parameter * GROUP
                    if turns[parameter] != 0.0 or turns[count + parameter] != 0.0:
                        if plan.polar_first == 0:
                            _push_polarization(sources, source, moved, rows, moving, group, -1)
                        _push_scattering(sources, source, moved, rows, moving, group)
                    moved_background = tangents.panel[parameter, BACKGROUND]
                    _push_total(panel, sources[source, WEIGHT], moved[WEIGHT], moved_background, rows, moving, group)
                _add_to_total(panel, sources[source, WEIGHT], rows)


@njit(**CONTRACTED)
def _push_ray(panel, plan, sample, moved, rows, moving, group):
    """Fill MX, MY, MZ of one parameter, and MDISTANCE with the tangent of the distance."""
    (fx, fy, fz), (sx, sy, sz), (nx, ny, nz) = panel.fast, panel.slow, panel.normal
    layer = sample // (plan.oversample * plan.oversample)
    depth, deeper = layer * panel.layer_step, layer * moved[LAYER_STEP]
    growth = moved[PIXEL_SIZE] / panel.pixel_size
    x0 = moved[ORIGIN] + depth * moved[NORMAL] + deeper * nx
    y0 = moved[ORIGIN + 1] + depth * moved[NORMAL + 1] + deeper * ny
    z0 = moved[ORIGIN + 2] + depth * moved[NORMAL + 2] + deeper * nz
    ax, ay, az = (
        moved[ALONG_FAST] + growth * fx,
        moved[ALONG_FAST + 1] + growth * fy,
        moved[ALONG_FAST + 2] + growth * fz,
    )
    bx, by, bz = (
        moved[ALONG_SLOW] + growth * sx,
        moved[ALONG_SLOW + 1] + growth * sy,
        moved[ALONG_SLOW + 2] + growth * sz,
    )
    for lane in range(LANES):
        f, s, distance = rows[SIZE_F + lane], rows[SIZE_S + lane], rows[DISTANCE + lane]
        dx, dy, dz = rows[DX + lane], rows[DY + lane], rows[DZ + lane]
        x, y, z = x0 + f * ax + s * bx, y0 + f * ay + s * by, z0 + f * az + s * bz
        away = x * dx + y * dy + z * dz
        rows[MDISTANCE + lane] = away
        moving[group + MX + lane] = (x - away * dx) / distance
        moving[group + MY + lane] = (y - away * dy) / distance
        moving[group + MZ + lane] = (z - away * dz) / distance


@njit(**CONTRACTED)
def _push_solid_angle(panel, moved, rows, moving, group):
    """Fill MOMEGA of one parameter from MDISTANCE."""
    for lane in range(LANES):
        distance = rows[DISTANCE + lane]
        own = moved[OMEGA_3] / distance + moved[OMEGA_2]
        nearer = (3.0 * panel.omega_3 / distance + 2.0 * panel.omega_2) * rows[MDISTANCE + lane] / distance
        moving[group + MOMEGA + lane] = (own - nearer) / (distance * distance)


@njit(**CONTRACTED)
def _push_capture(panel, plan, sample, moved, rows, moving, group):
    """Fill MCAPTURE of one parameter."""
    layer = sample // (plan.oversample * plan.oversample)
    nx, ny, nz = panel.normal
    for lane in range(LANES):
        x, y, z = rows[DX + lane], rows[DY + lane], rows[DZ + lane]
        cosine = x * nx + y * ny + z * nz
        path = panel.depth / cosine
        slope = (layer + 1) * math.exp(-(layer + 1) * path) - layer * math.exp(-layer * path)
        turned = moving[group + MX + lane] * nx + moving[group + MY + lane] * ny + moving[group + MZ + lane] * nz
        turned += x * moved[NORMAL] + y * moved[NORMAL + 1] + z * moved[NORMAL + 2]
        moving[group + MCAPTURE + lane] = slope * (moved[DEPTH] - path * turned) / cosine


@njit(**CONTRACTED)
def _push_polarization(sources, source, moved, rows, moving, group, number):
    """Fill MPOLAR of one parameter, in the lanes that ``number`` decides (all of them for -1)."""
    xx, yy, zz = sources[source, FORM], sources[source, FORM + 1], sources[source, FORM + 2]
    xy, xz, yz = sources[source, FORM + 3], sources[source, FORM + 4], sources[source, FORM + 5]
    for lane in range(LANES):
        if number >= 0 and rows[SHARED_WITH + lane] != number:
            continue
        x, y, z = rows[DX + lane], rows[DY + lane], rows[DZ + lane]
        mx, my, mz = moving[group + MX + lane], moving[group + MY + lane], moving[group + MZ + lane]
        turned = mx * (2.0 * xx * x + xy * y + xz * z) + my * (2.0 * yy * y + xy * x + yz * z)
        turned += mz * (2.0 * zz * z + xz * x + yz * y)
        own = moved[FORM] * x * x + moved[FORM + 1] * y * y + moved[FORM + 2] * z * z
        own += moved[FORM + 3] * x * y + moved[FORM + 4] * x * z + moved[FORM + 5] * y * z
        moving[group + MPOLAR + lane] = 0.5 * (turned + own)


@njit(**EXACT)
def _push_shared(panel, plan, sources, rows, moving, tangents, turns):
    """Fill the tangents of the factors that one sample of each pixel decides."""
    count, many = moving.size // GROUP, sources.shape[0]
    for sample in range(plan.layers * plan.oversample * plan.oversample):
        with_omega, with_capture = sample == plan.omega_at, sample == plan.capture_at
        with_polar = False
        for lane in range(LANES):
            with_polar |= plan.polar_first != 0 and math.floor(rows[SHARED_WITH + lane] / many) == sample
        if not (with_omega or with_capture or with_polar):
            continue
        cast_rays(panel, plan, sample, rows)
        for parameter in range(count):
            moved, group = tangents.panel[parameter], parameter * GROUP
            if turns[parameter] != 0.0:
                _push_ray(panel, plan, sample, moved, rows, moving, group)
            if with_omega and turns[parameter] != 0.0:
                _push_solid_angle(panel, moved, rows, moving, group)
            if with_capture and plan.has_sensor and turns[parameter] != 0.0:
                _push_capture(panel, plan, sample, moved, rows, moving, group)
            if with_polar:
                for source in range(many):
                    own, number = tangents.sources[parameter, source], sample * many + source
                    _push_polarization(sources, source, own, rows, moving, group, number)


@njit(**CONTRACTED)
def _push_orientations(inputs, block, chosen, moving, slopes, tangents, turns):
    """Fill TERM, its slopes BQX, BQY, BQZ against q, and MTERM from vectors, shape and look-up of all parameters."""
    visits, rows, work = inputs.visits, block.rows, block.work
    lanes, real, count = lanes_at_once(visits), work.dtype.type, moving.size // GROUP
    fill(rows, TERM, TERM, 0.0)
    fill(work, BUX, BUZ, real(0))
    fill(work, BSUM, BSUM, real(1))
    for parameter in range(count):
        fill(moving, parameter * GROUP + MTERM, parameter * GROUP + MTERM, 0.0)
    for lane in range(LANES):
        work[UX + lane] = rows[QX + lane] * ANGSTROM
        work[UY + lane] = rows[QY + lane] * ANGSTROM
        work[UZ + lane] = rows[QZ + lane] * ANGSTROM
    for turn in range(chosen):
        part, orientation = part_at(visits, block, turn), orientation_at(visits, block.survey, turn)
        first = first_lane(visits, block.survey, turn)
        _push_part(inputs, part, orientation, lanes, moving[first:], slopes, tangents, turns[2 * count :])
    for lane in range(LANES):
        rows[BQX + lane] = work[BUX + lane] * ANGSTROM
        rows[BQY + lane] = work[BUY + lane] * ANGSTROM
        rows[BQZ + lane] = work[BUZ + lane] * ANGSTROM


@njit(**CONTRACTED)
def _push_part(inputs, part, orientation, lanes, moving, slopes, tangents, turns):
    """Add to TERM, BUX, BUY, BUZ and MTERM what one orientation does to the first ``lanes`` of a part of a block."""
    shape, lookup, visits = inputs.shape, inputs.lookup, inputs.visits
    rows, work, entries, indices = part.rows, part.work, part.entries, part.indices
    count = turns.size // 2
    reduce_indices(inputs, orientation, part, lanes)
    square_slopes(lookup, entries, indices, work, CELL, CH, lanes)
    pull_back_product(visits, shape, lookup, work, lanes)
    pull_back_index(inputs.vectors, orientation, rows, work, lanes)
    if tangents.vectors.shape[0] > 0:
        _slopes_of_vectors(rows, work, slopes, lanes)
    for parameter in range(tangents.vectors.shape[0]):
        if turns[parameter] != 0.0:
            _push_vectors(tangents.vectors[parameter, orientation], slopes, moving, parameter * GROUP, lanes)
    if tangents.shape.shape[0] > 0:
        _slopes_of_shape(visits, shape, work, slopes, lanes)
    for parameter in range(tangents.shape.shape[0]):
        if turns[count + parameter] != 0.0:
            _push_shape(shape, tangents.shape[parameter], slopes, moving, parameter * GROUP, lanes)
    for parameter in range(tangents.lookup.shape[0]):
        table, default = tangents.lookup[parameter], tangents.default[parameter, 0]
        moving_squares(lookup, table, default, entries, indices, work, BCELL, lanes)
        for lane in range(lanes):
            change = np.float64(work[LATTICE + lane]) * np.float64(work[BCELL + lane])
            moving[parameter * GROUP + MTERM + lane] += change


@njit(**CONTRACTED)
def _slopes_of_vectors(rows, work, slopes, lanes):
    """Fill ``slopes``, a row for each component of the direct vectors, with those of F^2 S^2."""
    for lane in range(lanes):
        x, y, z = rows[QX + lane], rows[QY + lane], rows[QZ + lane]
        h, k, l = np.float64(work[BH + lane]), np.float64(work[BK + lane]), np.float64(work[BL + lane])
        for number, slope in enumerate((h * x, h * y, h * z, k * x, k * y, k * z, l * x, l * y, l * z)):
            slopes[number * LANES + lane] = slope


@njit(**CONTRACTED)
def _push_vectors(moved, slopes, moving, group, lanes):
    """Add to MTERM what the direct vectors of one orientation do to F^2 S^2."""
    for lane in range(lanes):
        change = 0.0
        for number in range(VECTOR_ROWS):
            change += moved[number] * slopes[number * LANES + lane]
        moving[group + MTERM + lane] += change


@njit(**CONTRACTED)
def _slopes_of_shape(visits, shape, work, slopes, lanes):
    """Fill ``slopes``, a row for each parameter of the shape after those of vectors, with those of F^2 S^2."""
    for lane in range(lanes):
        square = work[LATTICE + lane]
        weight = np.float64(work[CELL + lane]) if is_lit(visits, square) else 0.0
        found = parameter_slopes(shape, square, work[DH + lane], work[DK + lane], work[DL + lane])
        for number, slope in enumerate(found):
            slopes[(VECTOR_ROWS + number) * LANES + lane] = slope * weight


@njit(**CONTRACTED)
def _push_shape(shape, moved, slopes, moving, group, lanes):
    """Add to MTERM what the parameters of the shape do to F^2 S^2."""
    for lane in range(lanes):
        change = 0.0
        for number in range(parameter_count(shape)):
            change += moved[number] * slopes[(VECTOR_ROWS + number) * LANES + lane]
        moving[group + MTERM + lane] += change


@njit(**CONTRACTED)
def _push_scattering(sources, source, moved, rows, moving, group):
    """Add to MTERM the tangent of q by directions and wavelength."""
    wavelength, longer = sources[source, WAVELENGTH], moved[WAVELENGTH]
    ix, iy, iz = moved[DIRECTION], moved[DIRECTION + 1], moved[DIRECTION + 2]
    for lane in range(LANES):
        x = moving[group + MX + lane] - ix - longer * rows[QX + lane]
        y = moving[group + MY + lane] - iy - longer * rows[QY + lane]
        z = moving[group + MZ + lane] - iz - longer * rows[QZ + lane]
        along = rows[BQX + lane] * x + rows[BQY + lane] * y + rows[BQZ + lane] * z
        moving[group + MTERM + lane] += along / wavelength


@njit(**CONTRACTED)
def _push_total(panel, weight, moved_weight, moved_background, rows, moving, group):
    """Add to MTOTAL the change of factor times intensity for one sample and source."""
    for lane in range(LANES):
        omega, capture, polar = rows[OMEGA + lane], rows[CAPTURE + lane], rows[POLAR + lane]
        moved_factor = (
            moving[group + MOMEGA + lane] * capture * polar
            + omega * moving[group + MCAPTURE + lane] * polar
            + omega * capture * moving[group + MPOLAR + lane]
        )
        resolved = rows[RESOLVED + lane]
        intensity = weight * resolved * rows[TERM + lane] + panel.background
        moved_term = moved_weight * rows[TERM + lane] + weight * moving[group + MTERM + lane]
        change = omega * capture * polar * (resolved * moved_term + moved_background)
        moving[group + MTOTAL + lane] += moved_factor * intensity + change


@njit(**CONTRACTED)
def _add_to_total(panel, weight, rows):
    """Add factor times intensity to TOTAL."""
    for lane in range(LANES):
        factor = rows[OMEGA + lane] * rows[CAPTURE + lane] * rows[POLAR + lane]
        rows[TOTAL + lane] += factor * (weight * rows[RESOLVED + lane] * rows[TERM + lane] + panel.background)


def push(inputs, positions, grid, tangents, images):
    """Write sensitivities into images, whose precision is that of the evaluation.

    Args:
        inputs: Tables of the scene.
        positions: Positions (n,) of the pixels along the rows of a window.
        grid: Corner (slow, fast) and width of the window.
        tangents: Tangents of the tables, parameters first; tables that do not move have no parameters.
        images: Gets the sensitivities (parameters, n).
    """
    count = images.shape[0]
    panel, plan, sources, visits = inputs.panel, inputs.plan, inputs.sources, inputs.visits
    block = new_block(inputs.visits, REVERSE_ROWS, WORK_ROWS, images.dtype)
    rows, moving, turns = block.rows, scratch(count * GROUP, np.float64), scratch(4 * count, np.float64)
    slopes = scratch((VECTOR_ROWS + parameter_count(inputs.shape)) * LANES, np.float64)
    for parameter in range(count):
        # What does not move is left out below. Scale and background, which stand last, turn no ray.
        turns[parameter] = 1.0 if _moves(tangents.panel[parameter], SCALE) else 0.0
        turns[count + parameter] = 0.0
        for source in range(sources.shape[0]):
            if _moves(tangents.sources[parameter, source], tangents.sources.shape[2]):
                turns[count + parameter] = 1.0
    for parameter in range(tangents.vectors.shape[0]):
        turns[2 * count + parameter] = 0.0
        for orientation in range(tangents.vectors.shape[1]):
            if _moves(tangents.vectors[parameter, orientation], tangents.vectors.shape[2]):
                turns[2 * count + parameter] = 1.0
    for parameter in range(tangents.shape.shape[0]):
        turns[3 * count + parameter] = 1.0 if _moves(tangents.shape[parameter], tangents.shape.shape[1]) else 0.0
    for start in range(0, images.shape[1], LANES):
        if strip_is_dark(visits, panel, plan, sources, positions, grid, start, block):
            images[:, start : start + LANES] = 0
            continue
        choose_pixels(positions, grid, start, rows)
        _push_pixels(inputs, block, moving, slopes, tangents, turns)
        for parameter in range(count):
            scale, moved = inputs.panel.scale, tangents.panel[parameter, SCALE]
            for lane in range(min(LANES, images.shape[1] - start)):
                total = moving[parameter * GROUP + MTOTAL + lane]
                images[parameter, start + lane] = scale * total + moved * rows[TOTAL + lane]
    release(moving)
    release(turns)
    release(slopes)
    release_block(inputs.visits, block)
