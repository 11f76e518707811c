"""The sum over orientations, backwards: from the cotangent of a block's terms to the indices and what they are made of.

Rows whose name starts with B hold cotangents of a block's lanes. Squares and slopes are in the precision of the
evaluation, lengths in Angstrom so that float32 neither overflows nor underflows; sums over blocks are float64.
"""

import numpy as np
from numba import njit

from nanobrag_torch.kernel.numba_engine.jit_options import CONTRACTED, INLINED, LANES, SUMMED
from nanobrag_torch.kernel.numba_engine.lookups import product_slope, return_squares, square_slopes
from nanobrag_torch.kernel.numba_engine.orientations import CELL, DH, DK, DL, LATTICE, LATTICE_ROWS, index
from nanobrag_torch.kernel.numba_engine.rays import FORWARD_ROWS, QX, QY, QZ, TERM, fill
from nanobrag_torch.kernel.numba_engine.shapes import interference_slopes, parameter_slopes

#: Offsets of the float64 rows that the forward pass does not have: cotangents of the pixel, of a sum over orientations,
#: of the direction, and of the three factors.
BPIXEL, BTERM, BDX, BDY, BDZ, BOMEGA, BCAPTURE, BPOLAR, BX, BY, BZ = range(
    FORWARD_ROWS, FORWARD_ROWS + 11 * LANES, LANES
)
#: First of the rows for the parameters of the shape, at most seven.
BSHAPE = FORWARD_ROWS + 11 * LANES
REVERSE_ROWS = FORWARD_ROWS + 18 * LANES
#: Offsets of the rows in the precision of the evaluation: slopes of F^2 against h, k, l; scattering vector in
#: 1/Angstrom and its cotangent; cotangents of h, k, l, of the sum over orientations, and of F^2.
CH, CK, CL, UX, UY, UZ, BUX, BUY, BUZ, BH, BK, BL, BSUM, BCELL = range(LATTICE_ROWS, LATTICE_ROWS + 14 * LANES, LANES)
FINE_ROWS = LATTICE_ROWS + 14 * LANES

ANGSTROM = 1e-10


@njit(**INLINED)
def pull_back_orientations(shape, lookup, vectors, rows, fine, place, indices, rays, wanted, bars):
    """From BTERM to vectors, shape and look-up table; where ``rays`` are wanted, also TERM, and BX, BY, BZ of q."""
    real = fine.dtype.type
    fill(rows, TERM, TERM, 0.0)
    fill(fine, BUX, BUZ, real(0))
    for lane in range(LANES):
        fine[UX + lane] = rows[QX + lane] * ANGSTROM
        fine[UY + lane] = rows[QY + lane] * ANGSTROM
        fine[UZ + lane] = rows[QZ + lane] * ANGSTROM
        fine[BSUM + lane] = rows[BTERM + lane]
    for orientation in range(vectors.shape[0]):
        index(lookup, vectors, orientation, rows, fine, place, indices)
        square_slopes(lookup, place, indices, fine, CELL, CH)
        pull_back_product(shape, lookup, fine)
        if wanted.vectors:
            _pull_back_vectors(orientation, fine, bars)
        if rays:
            pull_back_index(vectors, orientation, rows, fine)
        if wanted.lookup:
            for lane in range(LANES):
                fine[BCELL + lane] = fine[BSUM + lane] * fine[LATTICE + lane]
            return_squares(lookup, place, indices, fine, BCELL, bars.lookup, bars.default)
        if wanted.shape:
            _pull_back_shape(shape, rows, fine, bars)
    if rays:
        for lane in range(LANES):
            rows[BX + lane] = fine[BUX + lane] * ANGSTROM
            rows[BY + lane] = fine[BUY + lane] * ANGSTROM
            rows[BZ + lane] = fine[BUZ + lane] * ANGSTROM


@njit(**CONTRACTED)
def pull_back_product(shape, lookup, fine):
    """Fill LATTICE with S^2, and BH, BK, BL, the cotangents of h, k, l, from that of F^2 S^2."""
    for lane in range(LANES):
        square, sh, sk, sl = interference_slopes(shape, fine[DH + lane], fine[DK + lane], fine[DL + lane])
        cell, bar = fine[CELL + lane], fine[BSUM + lane]
        fine[LATTICE + lane] = square
        fine[BH + lane] = bar * product_slope(lookup, cell, sh, square, fine[CH + lane])
        fine[BK + lane] = bar * product_slope(lookup, cell, sk, square, fine[CK + lane])
        fine[BL + lane] = bar * product_slope(lookup, cell, sl, square, fine[CL + lane])


@njit(**SUMMED)
def _pull_back_vectors(orientation, fine, bars):
    """From the cotangents of h, k, l to the direct vectors: h = a . q."""
    zero = fine.dtype.type(0)
    ax = ay = az = bx = by = bz = cx = cy = cz = zero
    for lane in range(LANES):
        h, k, l = fine[BH + lane], fine[BK + lane], fine[BL + lane]
        x, y, z = fine[UX + lane], fine[UY + lane], fine[UZ + lane]
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
        bars.vectors[orientation, column] += np.float64(total) / ANGSTROM


@njit(**CONTRACTED)
def pull_back_index(vectors, orientation, rows, fine):
    """From the cotangents of h, k, l to BUX, BUY, BUZ; and add F^2 S^2 to TERM."""
    real = fine.dtype.type
    ax, ay, az = vectors[orientation, 0], vectors[orientation, 1], vectors[orientation, 2]
    bx, by, bz = vectors[orientation, 3], vectors[orientation, 4], vectors[orientation, 5]
    cx, cy, cz = vectors[orientation, 6], vectors[orientation, 7], vectors[orientation, 8]
    ax, ay, az = real(ax / ANGSTROM), real(ay / ANGSTROM), real(az / ANGSTROM)
    bx, by, bz = real(bx / ANGSTROM), real(by / ANGSTROM), real(bz / ANGSTROM)
    cx, cy, cz = real(cx / ANGSTROM), real(cy / ANGSTROM), real(cz / ANGSTROM)
    for lane in range(LANES):
        h, k, l = fine[BH + lane], fine[BK + lane], fine[BL + lane]
        fine[BUX + lane] += h * ax + k * bx + l * cx
        fine[BUY + lane] += h * ay + k * by + l * cy
        fine[BUZ + lane] += h * az + k * bz + l * cz
        rows[TERM + lane] += np.float64(fine[LATTICE + lane]) * np.float64(fine[CELL + lane])


@njit(**CONTRACTED)
def _pull_back_parameters(shape, rows, fine):
    """Fill the rows from BSHAPE on with what each lane adds to the parameters of the shape."""
    for lane in range(LANES):
        bar = np.float64(fine[BSUM + lane]) * np.float64(fine[CELL + lane])
        slopes = parameter_slopes(shape, fine[DH + lane], fine[DK + lane], fine[DL + lane])
        for number, slope in enumerate(slopes):
            rows[BSHAPE + number * LANES + lane] = bar * slope


@njit(**SUMMED)
def _pull_back_shape(shape, rows, fine, bars):
    """From the cotangent of F^2 S^2 to the parameters of the shape."""
    _pull_back_parameters(shape, rows, fine)
    for number in range(bars.shape.size):
        total = 0.0
        for lane in range(LANES):
            total += rows[BSHAPE + number * LANES + lane]
        bars.shape[number] += total
