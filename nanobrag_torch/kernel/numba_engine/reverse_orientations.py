"""Reverse pass of the sum over orientations: from the cotangents of a block to vectors, shape, look-up and q.

Rows whose name starts with B hold cotangents of a block's lanes. Squares and slopes are in the precision of the
evaluation, lengths in Angstrom so that float32 neither overflows nor underflows; sums over blocks are float64.
"""

import numpy as np
from numba import njit

from nanobrag_torch.kernel.numba_engine.jit_options import CONTRACTED, INLINED, LANES, SUMMED
from nanobrag_torch.kernel.numba_engine.lookups import product_slope, return_squares, square_slopes
from nanobrag_torch.kernel.numba_engine.orientations import (
    CELL,
    DH,
    DK,
    DL,
    LATTICE,
    LATTICE_ROWS,
    direct_vector,
    reduce_indices,
)
from nanobrag_torch.kernel.numba_engine.rays import FORWARD_ROWS, QX, QY, QZ, TERM, fill
from nanobrag_torch.kernel.numba_engine.shapes import interference_slopes, parameter_count, parameter_slopes
from nanobrag_torch.kernel.numba_engine.visits import is_lit, lanes_at_once, orientation_at, part_at
from nanobrag_torch.kernel.tables import AXIS_A, AXIS_B, AXIS_C

#: Offsets of the float64 rows that the forward pass does not have: cotangents of the pixel, of a sum over orientations,
#: of the direction, and of the three factors.
BPIXEL, BTERM, BDX, BDY, BDZ, BOMEGA, BCAPTURE, BPOLAR, BQX, BQY, BQZ = range(
    FORWARD_ROWS, FORWARD_ROWS + 11 * LANES, LANES
)
#: First of the rows for the parameters of the shape, at most seven.
BSHAPE = FORWARD_ROWS + 11 * LANES
REVERSE_ROWS = FORWARD_ROWS + 18 * LANES
#: Offsets of the rows in the precision of the evaluation: slopes of F^2 against h, k, l; scattering vector in
#: 1/Angstrom and its cotangent; cotangents of h, k, l, of the sum over orientations, and of F^2.
CH, CK, CL, UX, UY, UZ, BUX, BUY, BUZ, BH, BK, BL, BSUM, BCELL = range(LATTICE_ROWS, LATTICE_ROWS + 14 * LANES, LANES)
WORK_ROWS = LATTICE_ROWS + 14 * LANES

#: In metres, and in 1/metre: a product takes a quarter of the time of a quotient.
ANGSTROM, PER_ANGSTROM = 1e-10, 1e10


@njit(**INLINED)
def pull_back_orientations(inputs, block, count, rays, wanted, bars):
    """Reverse pass of ``orientations.sum_orientations``, from BTERM.

    Args:
        inputs: Tables of the scene.
        block: Arrays of the block.
        count: Number of the visits that ``visits.choose`` has chosen.
        rays: True to fill TERM again, and BQX, BQY, BQZ, the cotangents of q.
        wanted: Tables whose cotangents are wanted.
        bars: Cotangents of the tables, which are added to.
    """
    visits = inputs.visits
    rows, work, lanes = block.rows, block.work, lanes_at_once(visits)
    real = work.dtype.type
    fill(rows, TERM, TERM, 0.0)
    fill(work, BUX, BUZ, real(0))
    if wanted.shape:
        fill(rows, BSHAPE, BSHAPE + (parameter_count(inputs.shape) - 1) * LANES, 0.0)
    for lane in range(LANES):
        work[UX + lane] = rows[QX + lane] * ANGSTROM
        work[UY + lane] = rows[QY + lane] * ANGSTROM
        work[UZ + lane] = rows[QZ + lane] * ANGSTROM
        work[BSUM + lane] = rows[BTERM + lane]
    for turn in range(count):
        part, orientation = part_at(visits, block, turn), orientation_at(visits, block.survey, turn)
        _pull_back_part(inputs, part, orientation, lanes, rays, wanted, bars)
    if wanted.shape:
        _sum_parameters(rows, bars)
    if rays:
        for lane in range(LANES):
            rows[BQX + lane] = work[BUX + lane] * ANGSTROM
            rows[BQY + lane] = work[BUY + lane] * ANGSTROM
            rows[BQZ + lane] = work[BUZ + lane] * ANGSTROM


@njit(**INLINED)
def _pull_back_part(inputs, part, orientation, lanes, rays, wanted, bars):
    """From BSUM of the first ``lanes`` of a part of a block to vectors, shape, look-up and BUX, BUY, BUZ."""
    shape, lookup, visits = inputs.shape, inputs.lookup, inputs.visits
    rows, work, entries, indices = part.rows, part.work, part.entries, part.indices
    reduce_indices(inputs, orientation, part, lanes)
    square_slopes(lookup, entries, indices, work, CELL, CH, lanes)
    pull_back_product(visits, shape, lookup, work, lanes)
    if wanted.vectors:
        _pull_back_vectors(orientation, work, lanes, bars)
    if rays:
        pull_back_index(inputs.vectors, orientation, rows, work, lanes)
    if wanted.lookup:
        for lane in range(lanes):
            work[BCELL + lane] = work[BSUM + lane] * work[LATTICE + lane]
        return_squares(lookup, entries, indices, work, BCELL, bars.lookup, bars.default, lanes)
    if wanted.shape:
        _pull_back_parameters(visits, shape, rows, work, lanes)


@njit(**CONTRACTED)
def pull_back_product(visits, shape, lookup, work, lanes):
    """Fill LATTICE with S^2 where that counts, and BH, BK, BL, the cotangents of h, k, l, from that of F^2 S^2."""
    zero = work.dtype.type(0)
    for lane in range(lanes):
        square, sh, sk, sl = interference_slopes(shape, work[DH + lane], work[DK + lane], work[DL + lane])
        lit = is_lit(visits, square)
        cell, bar = work[CELL + lane], work[BSUM + lane] if lit else zero
        work[LATTICE + lane] = square if lit else zero
        work[BH + lane] = bar * product_slope(lookup, cell, sh, square, work[CH + lane])
        work[BK + lane] = bar * product_slope(lookup, cell, sk, square, work[CK + lane])
        work[BL + lane] = bar * product_slope(lookup, cell, sl, square, work[CL + lane])


@njit(**SUMMED)
def _pull_back_vectors(orientation, work, lanes, bars):
    """From the cotangents of h, k, l to the direct vectors: h = a . q."""
    zero = work.dtype.type(0)
    ax = ay = az = bx = by = bz = cx = cy = cz = zero
    for lane in range(lanes):
        h, k, l = work[BH + lane], work[BK + lane], work[BL + lane]
        x, y, z = work[UX + lane], work[UY + lane], work[UZ + lane]
        ax += h * x
        ay += h * y
        az += h * z
        bx += k * x
        by += k * y
        bz += k * z
        cx += l * x
        cy += l * y
        cz += l * z
    for column, total in enumerate((ax, ay, az, bx, by, bz, cx, cy, cz)):
        bars.vectors[orientation, column] += np.float64(total) * PER_ANGSTROM


@njit(**CONTRACTED)
def pull_back_index(vectors, orientation, rows, work, lanes):
    """From the cotangents of h, k, l to BUX, BUY, BUZ; and add F^2 S^2 to TERM."""
    real = work.dtype.type
    ax, ay, az = direct_vector(vectors, orientation, AXIS_A)
    bx, by, bz = direct_vector(vectors, orientation, AXIS_B)
    cx, cy, cz = direct_vector(vectors, orientation, AXIS_C)
    ax, ay, az = real(ax * PER_ANGSTROM), real(ay * PER_ANGSTROM), real(az * PER_ANGSTROM)
    bx, by, bz = real(bx * PER_ANGSTROM), real(by * PER_ANGSTROM), real(bz * PER_ANGSTROM)
    cx, cy, cz = real(cx * PER_ANGSTROM), real(cy * PER_ANGSTROM), real(cz * PER_ANGSTROM)
    for lane in range(lanes):
        h, k, l = work[BH + lane], work[BK + lane], work[BL + lane]
        work[BUX + lane] += h * ax + k * bx + l * cx
        work[BUY + lane] += h * ay + k * by + l * cy
        work[BUZ + lane] += h * az + k * bz + l * cz
        rows[TERM + lane] += np.float64(work[LATTICE + lane]) * np.float64(work[CELL + lane])


@njit(**CONTRACTED)
def _pull_back_parameters(visits, shape, rows, work, lanes):
    """Add to the rows from BSHAPE on each lane's cotangents of the parameters of the shape, from that of F^2 S^2."""
    for lane in range(lanes):
        square = work[LATTICE + lane]
        cell = np.float64(work[CELL + lane]) if is_lit(visits, square) else np.float64(0)
        bar = np.float64(work[BSUM + lane]) * cell
        slopes = parameter_slopes(shape, square, work[DH + lane], work[DK + lane], work[DL + lane])
        for number, slope in enumerate(slopes):
            rows[BSHAPE + number * LANES + lane] += bar * slope


@njit(**SUMMED)
def _sum_parameters(rows, bars):
    """Add the lanes' cotangents of the parameters of the shape to its own."""
    for number in range(bars.shape.size):
        total = 0.0
        for lane in range(LANES):
            total += rows[BSHAPE + number * LANES + lane]
        bars.shape[number] += total
