"""Arrays of a block, made once by an entry and given back at its end."""

import numpy as np
from numba import njit

from nanobrag_torch.kernel.numba_engine.candidates import new_survey
from nanobrag_torch.kernel.numba_engine.jit_options import EXACT, LANES
from nanobrag_torch.kernel.numba_engine.lookups import LOOKUP_ROWS
from nanobrag_torch.kernel.numba_engine.records import Block
from nanobrag_torch.kernel.numba_engine.scratch import release, scratch


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
def release_block(block):
    """Give back the arrays of a block."""
    survey = block.survey
    release(block.rows)
    release(block.work)
    release(block.entries)
    release(block.indices)
    release(survey.frame)
    release(survey.rows)
    release(survey.flags)
    release(survey.axes)
    release(survey.candidates)
    release(survey.several)
    release(survey.chosen)
    clusters = survey.clusters
    release(clusters.rows)
    release(clusters.flags)
    release(clusters.marks)
    release(clusters.touched)
