"""Visits of a block of samples: all orientations for all of it, or those that may light a part of it.

One table for each step of the loops, by the record of visits. ``bounds`` says what may be lit; what counts as zero is
decided sample by sample (``is_lit``), so that an image does not depend on what was passed over.
"""

import numpy as np
from numba import njit
from numba.extending import overload

from nanobrag_torch.kernel.numba_engine.bounds import (
    ANY_SOURCE,
    SOURCES_AT_ONCE,
    STRIP,
    bound_parts,
    new_frame,
    widen,
    widen_by_pixels,
)
from nanobrag_torch.kernel.numba_engine.candidates import (
    allocate_survey,
    choose_for_all_parts,
    choose_from_several,
    free_survey,
    look_ahead,
    project_candidates,
)
from nanobrag_torch.kernel.numba_engine.jit_options import CALLED, EXACT, LANES
from nanobrag_torch.kernel.numba_engine.rays import cast_rays
from nanobrag_torch.kernel.numba_engine.records import (
    PART,
    PARTS,
    AllSamples,
    Block,
    LitSamples,
)


def _no_survey(visits):
    return 0


def _survey(visits):
    return allocate_survey(visits)


def _release_nothing(visits, survey):
    pass


def _release_survey(visits, survey):
    free_survey(survey)


def _no_strip_is_dark(visits, panel, plan, sources, positions, grid, start, block):
    return False


def _strip_is_dark(visits, panel, plan, sources, positions, grid, start, block):
    if start % STRIP == 0:
        block.survey.candidates[-1] = look_ahead(visits, panel, plan, sources, positions, grid, start, block)
    return block.survey.candidates[-1] == 0 and not visits.has_background


def _no_block_is_dark(visits, panel, plan, sources, rows, survey):
    return False


def _block_is_dark(visits, panel, plan, sources, rows, survey):
    if visits.has_background or plan.layers * plan.oversample * plan.oversample == 1:
        return False
    cast_rays(panel, plan, np.int64(0), rows)
    new_frame(panel, rows, survey.frame)
    widen_by_pixels(panel, plan, rows, 0.0, 0.0, survey.frame)
    project_candidates(visits, survey)
    for first in range(0, sources.shape[0], SOURCES_AT_ONCE):
        last = min(first + SOURCES_AT_ONCE, sources.shape[0])
        if choose_for_all_parts(visits, sources, first, last, survey) > 0:
            return False
    return True


def _look_at_none(visits, panel, rows, survey):
    pass


def _look_at_all(visits, panel, rows, survey):
    new_frame(panel, rows, survey.frame)
    widen(rows, survey.frame)
    project_candidates(visits, survey)


def _all_sources(visits, sources):
    return sources.shape[0]


def _some_sources(visits, sources):
    return SOURCES_AT_ONCE


def _choose_all(visits, sources, first, last, survey):
    return visits.orientations


def _choose_lit(visits, sources, first, last, survey):
    if first == 0:  # a block that none of many sources lights is passed over at once
        survey.frame[ANY_SOURCE] = 1.0
        if last < sources.shape[0]:
            survey.frame[ANY_SOURCE] = choose_for_all_parts(visits, sources, first, sources.shape[0], survey)
    if survey.frame[ANY_SOURCE] == 0.0:
        return 0
    count = choose_for_all_parts(visits, sources, first, last, survey)
    if count == 0:
        return 0
    bound_parts(survey.frame)
    return choose_from_several(visits, survey, count)


def _none_is_dark(visits, count):
    return False


def _dark_without_lit(visits, count):
    return count == 0 and not visits.has_background


def _turn(visits, survey, turn):
    return turn


def _chosen(visits, survey, turn):
    return survey.chosen[turn] // PARTS


def _all_lanes(visits):
    return LANES


def _lanes_of_a_part(visits):
    return PART


def _from_the_first(visits, survey, turn):
    return 0


def _from_a_part(visits, survey, turn):
    return survey.chosen[turn] % PARTS * PART


def _whole(visits, block, turn):
    return block


def _part(visits, block, turn):
    at = block.survey.chosen[turn] % PARTS * PART
    return Block(block.rows[at:], block.work[at:], block.entries[at:], block.indices[at:], block.survey)


def _table(dense, lit):
    return {AllSamples: dense, LitSamples: lit}


SURVEY = _table(_no_survey, _survey)
RELEASE = _table(_release_nothing, _release_survey)
DARK_STRIP = _table(_no_strip_is_dark, _strip_is_dark)
DARK_BLOCK = _table(_no_block_is_dark, _block_is_dark)
LOOK = _table(_look_at_none, _look_at_all)
AT_ONCE = _table(_all_sources, _some_sources)
CHOOSE = _table(_choose_all, _choose_lit)
IS_DARK = _table(_none_is_dark, _dark_without_lit)
ORIENTATION = _table(_turn, _chosen)
LANES_AT_ONCE = _table(_all_lanes, _lanes_of_a_part)
FIRST_LANE = _table(_from_the_first, _from_a_part)
PART_AT = _table(_whole, _part)


def new_survey(visits):
    """Arrays for the choice of visits, where there is one."""
    return SURVEY[type(visits)](visits)


def release_survey(visits, survey):
    """Give back what ``new_survey`` has made."""
    return RELEASE[type(visits)](visits, survey)


def strip_is_dark(visits, panel, plan, sources, positions, grid, start, block):
    """True where no source lights any sample of the strip that the block at ``start`` is in.

    Called for every block in turn, it looks at each strip once. The block's pixels are to be chosen after it.
    """
    return DARK_STRIP[type(visits)](visits, panel, plan, sources, positions, grid, start, block)


def block_is_dark(visits, panel, plan, sources, rows, survey):
    """True where no source lights any of the samples of a block's pixels, of which there are several."""
    return DARK_BLOCK[type(visits)](visits, panel, plan, sources, rows, survey)


def look(visits, panel, rows, survey):
    """Prepare the choice of orientations for a block of samples whose directions are known."""
    return LOOK[type(visits)](visits, panel, rows, survey)


def sources_at_once(visits, sources):
    """Neighbouring sources for which visits are chosen together."""
    return AT_ONCE[type(visits)](visits, sources)


def choose(visits, sources, first, last, survey):
    """Choose visits for the sources from ``first`` to ``last``, the last excluded; returns their number."""
    return CHOOSE[type(visits)](visits, sources, first, last, survey)


def is_dark(visits, count):
    """True where a source with ``count`` visits adds nothing to the block."""
    return IS_DARK[type(visits)](visits, count)


def orientation_at(visits, survey, turn):
    """Orientation of visit number ``turn``."""
    return ORIENTATION[type(visits)](visits, survey, turn)


def lanes_at_once(visits):
    """Lanes of a visit, a constant."""
    return LANES_AT_ONCE[type(visits)](visits)


def first_lane(visits, survey, turn):
    """First lane of visit number ``turn``."""
    return FIRST_LANE[type(visits)](visits, survey, turn)


def part_at(visits, block, turn):
    """The block from the first lane of visit number ``turn`` on: its rows begin there."""
    return PART_AT[type(visits)](visits, block, turn)


@njit(**EXACT)
def is_lit(visits, square):
    """True where S^2 counts, as NaN does."""
    return not square < visits.limit


@overload(new_survey, jit_options=EXACT)
def _new_survey(visits):
    return SURVEY[visits.instance_class]


@overload(release_survey, jit_options=EXACT)
def _given_back(visits, survey):
    return RELEASE[visits.instance_class]


@overload(strip_is_dark, jit_options=CALLED)
def _is_dark_strip(visits, panel, plan, sources, positions, grid, start, block):
    return DARK_STRIP[visits.instance_class]


@overload(block_is_dark, jit_options=CALLED)
def _is_dark_block(visits, panel, plan, sources, rows, survey):
    return DARK_BLOCK[visits.instance_class]


@overload(look, jit_options=CALLED)
def _look(visits, panel, rows, survey):
    return LOOK[visits.instance_class]


@overload(sources_at_once, jit_options=EXACT)
def _sources_at_once(visits, sources):
    return AT_ONCE[visits.instance_class]


@overload(choose, jit_options=CALLED)
def _choose(visits, sources, first, last, survey):
    return CHOOSE[visits.instance_class]


@overload(is_dark, jit_options=EXACT)
def _is_dark(visits, count):
    return IS_DARK[visits.instance_class]


@overload(orientation_at, jit_options=EXACT)
def _orientation_at(visits, survey, turn):
    return ORIENTATION[visits.instance_class]


@overload(lanes_at_once, jit_options=EXACT)
def _lanes_at_once(visits):
    return LANES_AT_ONCE[visits.instance_class]


@overload(first_lane, jit_options=EXACT)
def _first_lane(visits, survey, turn):
    return FIRST_LANE[visits.instance_class]


@overload(part_at, jit_options=EXACT)
def _part_at(visits, block, turn):
    return PART_AT[visits.instance_class]
