"""Sum of F^2 S^2 of a block of samples over all orientations of the crystal, the innermost loops."""

import numpy as np
from numba import njit

from nanobrag_torch.kernel.numba_engine.jit_options import CONTRACTED, EXACT, INLINED, LANES
from nanobrag_torch.kernel.numba_engine.lookups import address, squares
from nanobrag_torch.kernel.numba_engine.rays import QX, QY, QZ, TERM, fill
from nanobrag_torch.kernel.numba_engine.shapes import interference
from nanobrag_torch.kernel.numba_engine.visits import is_lit, lanes_at_once, orientation_at, part_at
from nanobrag_torch.kernel.tables import AXIS_A, AXIS_B, AXIS_C

#: Offsets of the rows in the precision of the evaluation: remainders, S^2 and F^2.
DH, DK, DL, LATTICE, CELL = range(0, 5 * LANES, LANES)
LATTICE_ROWS = 5 * LANES


@njit(**EXACT)
def direct_vector(vectors, orientation, axis):
    """Components x, y, z of a direct vector in metres; ``axis`` is ``AXIS_A``, ``AXIS_B`` or ``AXIS_C``."""
    return vectors[orientation, axis], vectors[orientation, axis + 1], vectors[orientation, axis + 2]


@njit(**EXACT)
def reduce_indices(inputs, orientation, block, lanes):
    """Fill DH, DK, DL with the remainders of the Miller indices of one orientation, and note the addresses of F.

    Only the first ``lanes`` of the block are looked at.

    The index is float64 in the order of ``physics.scattering.miller_index``; halves go down,
    as in ``physics.safe.fraction``.
    """
    lookup, vectors = inputs.lookup, inputs.vectors
    rows, work, entries, indices = block.rows, block.work, block.entries, block.indices
    ax, ay, az = direct_vector(vectors, orientation, AXIS_A)
    bx, by, bz = direct_vector(vectors, orientation, AXIS_B)
    cx, cy, cz = direct_vector(vectors, orientation, AXIS_C)
    for lane in range(lanes):
        x, y, z = rows[QX + lane], rows[QY + lane], rows[QZ + lane]
        h = x * ax + y * ay + z * az
        k = x * bx + y * by + z * bz
        l = x * cx + y * cy + z * cz
        h0, k0, l0 = np.ceil(h - 0.5), np.ceil(k - 0.5), np.ceil(l - 0.5)
        work[DH + lane] = h - h0
        work[DK + lane] = k - k0
        work[DL + lane] = l - l0
        address(lookup, lane, h, k, l, h0, k0, l0, entries, indices)


@njit(**CONTRACTED)
def add_interference(visits, shape, rows, work, lanes):
    """Add F^2 S^2 to TERM in the first ``lanes``, where S^2 counts."""
    for lane in range(lanes):
        square = interference(shape, work[DH + lane], work[DK + lane], work[DL + lane])
        before = rows[TERM + lane]
        after = before + np.float64(square) * np.float64(work[CELL + lane])
        rows[TERM + lane] = after if is_lit(visits, square) else before


@njit(**INLINED)
def sum_orientations(inputs, block, count):
    """Fill TERM with the sum of F^2 S^2 over the orientations of the ``count`` visits that ``choose`` has chosen."""
    shape, lookup, visits = inputs.shape, inputs.lookup, inputs.visits
    lanes = lanes_at_once(visits)
    fill(block.rows, TERM, TERM, 0.0)
    for turn in range(count):
        part = part_at(visits, block, turn)
        rows, work = part.rows, part.work
        reduce_indices(inputs, orientation_at(visits, block.survey, turn), part, lanes)
        squares(lookup, part.entries, part.indices, work, CELL, lanes)
        add_interference(visits, shape, rows, work, lanes)
