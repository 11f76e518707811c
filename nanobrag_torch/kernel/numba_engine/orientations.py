"""The innermost sum: F^2 S^2 of a block of samples over all orientations of the crystal."""

import numpy as np
from numba import njit

from nanobrag_torch.kernel.numba_engine.jit_options import CONTRACTED, EXACT, INLINED, LANES
from nanobrag_torch.kernel.numba_engine.lookups import address, squares
from nanobrag_torch.kernel.numba_engine.rays import QX, QY, QZ, TERM, fill
from nanobrag_torch.kernel.numba_engine.shapes import interference

#: Offsets of the rows in the precision of the evaluation: remainders, S^2 and F^2.
DH, DK, DL, LATTICE, CELL = range(0, 5 * LANES, LANES)
LATTICE_ROWS = 5 * LANES


@njit(**EXACT)
def index(lookup, vectors, orientation, rows, fine, place, indices):
    """Fill DH, DK, DL with the remainders of the Miller indices of one orientation, and note the addresses of F.

    The index is float64 in the order of ``physics.scattering.miller_index``; halves go down,
    as in ``physics.safe.fraction``.
    """
    ax, ay, az = vectors[orientation, 0], vectors[orientation, 1], vectors[orientation, 2]
    bx, by, bz = vectors[orientation, 3], vectors[orientation, 4], vectors[orientation, 5]
    cx, cy, cz = vectors[orientation, 6], vectors[orientation, 7], vectors[orientation, 8]
    for lane in range(LANES):
        x, y, z = rows[QX + lane], rows[QY + lane], rows[QZ + lane]
        h = x * ax + y * ay + z * az
        k = x * bx + y * by + z * bz
        l = x * cx + y * cy + z * cz
        h0, k0, l0 = np.ceil(h - 0.5), np.ceil(k - 0.5), np.ceil(l - 0.5)
        fine[DH + lane] = h - h0
        fine[DK + lane] = k - k0
        fine[DL + lane] = l - l0
        address(lookup, lane, h, k, l, h0, k0, l0, place, indices)


@njit(**CONTRACTED)
def interfere(shape, fine):
    """Fill LATTICE with S^2."""
    for lane in range(LANES):
        fine[LATTICE + lane] = interference(shape, fine[DH + lane], fine[DK + lane], fine[DL + lane])


@njit(**INLINED)
def sum_orientations(shape, lookup, vectors, rows, fine, place, indices):
    """Fill TERM with the sum of F^2 S^2."""
    fill(rows, TERM, TERM, 0.0)
    for orientation in range(vectors.shape[0]):
        index(lookup, vectors, orientation, rows, fine, place, indices)
        interfere(shape, fine)
        squares(lookup, place, indices, fine, CELL)
        for lane in range(LANES):
            rows[TERM + lane] += np.float64(fine[LATTICE + lane]) * np.float64(fine[CELL + lane])
