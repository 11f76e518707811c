"""Arrays of a block, made once by an entry and given back at its end."""

import numpy as np
from numba import njit

from nanobrag_torch.kernel.numba_engine.jit_options import EXACT, LANES
from nanobrag_torch.kernel.numba_engine.lookups import LOOKUP_ROWS
from nanobrag_torch.kernel.numba_engine.records import Block
from nanobrag_torch.kernel.numba_engine.scratch import release, scratch
from nanobrag_torch.kernel.numba_engine.visits import new_survey, release_survey


@njit(**EXACT)
def new_block(visits, row_numbers, work_numbers, dtype):
    """Block with ``row_numbers`` float64 numbers, and ``work_numbers`` in the precision ``dtype``."""
    return Block(
        scratch(row_numbers, np.float64),
        scratch(work_numbers, dtype),
        scratch(LANES, np.uint32),
        scratch(LOOKUP_ROWS, np.float64),
        new_survey(visits),
    )


@njit(**EXACT)
def release_block(visits, block):
    """Give back the arrays of a block."""
    release(block.rows)
    release(block.work)
    release(block.entries)
    release(block.indices)
    release_survey(visits, block.survey)
