"""Candidates: the orientations that may light a strip, the block and its parts, found by the bounds.

Of few orientations each is looked at; of many, clusters of neighbours first, and the orientations of those alone that
may light the box.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from nanobrag_torch.kernel.numba_engine.bounds import (
    AXES_GROUP,
    FRAME_SIZE,
    PART_Q,
    PART_Q_HALF,
    RADII_GROUP,
    SURVEY_GROUP,
    bound,
    direct_numbers,
    frame_numbers,
    groups_of,
    is_beyond,
    may_be_lit,
    may_be_lit_within,
    project,
    q_box,
    radii_of,
    widen_by_strip,
)
from nanobrag_torch.kernel.numba_engine.jit_options import CALLED, CONTRACTED, EXACT
from nanobrag_torch.kernel.numba_engine.records import PARTS, TOGETHER
from nanobrag_torch.kernel.numba_engine.scratch import release, scratch


class Clusters(NamedTuple):
    """Arrays for clusters of orientations; with none of these they are not used.

    Attributes:
        rows: Rows as of a survey, of their means.
        flags: One number for each that may light a box, else 0.
        marks: Zero, or while candidates are sorted one more than the number of one, for each orientation.
        touched: Zero, or while candidates are sorted one where an orientation of a group is marked.
    """

    rows: np.ndarray
    flags: np.ndarray
    marks: np.ndarray
    touched: np.ndarray


class Survey(NamedTuple):
    """Arrays for the choice of visits.

    Attributes:
        frame: Vectors and boxes, in the places of ``VECTORS`` and its neighbours.
        rows: Rows ``PROJECTION``, ``COVECTOR`` and ``REACH``, group by group of orientations.
        flags: One number for each of those looked at together.
        axes: Rows ``DIRECT`` and ``STAR`` of the candidates of a strip, in groups as those of all orientations.
        candidates: Orientations that may light a sample of the strip; the last element is their number.
        several: Numbers of the candidates that may light a block for one of several sources.
        chosen: Visits of a block for several sources: orientation times ``PARTS`` plus part.
        clusters: Arrays for clusters. Where there are any, all orientations in their order are candidates.
    """

    frame: np.ndarray
    rows: np.ndarray
    flags: np.ndarray
    axes: np.ndarray
    candidates: np.ndarray
    several: np.ndarray
    chosen: np.ndarray
    clusters: Clusters


@njit(**EXACT)
def allocate_survey(visits):
    """Arrays for as many orientations as there are to choose from; lists have room for one that is not kept."""
    count = visits.orientations
    groups = groups_of(count)
    return Survey(
        scratch(FRAME_SIZE, np.float64),
        scratch(groups * SURVEY_GROUP, np.float64),
        scratch(TOGETHER, np.float64),
        scratch(groups * AXES_GROUP, np.float64),
        scratch(count + 2, np.int64),
        scratch(count + 1, np.int64),
        scratch(PARTS * count + 1, np.int64),
        _new_clusters(groups),
    )


@njit(**EXACT)
def _new_clusters(count):
    groups = groups_of(count)
    marks, touched = scratch(count * TOGETHER, np.int64), scratch(count, np.int64)
    for place in range(count * TOGETHER):
        marks[place] = 0
    for place in range(count):
        touched[place] = 0
    return Clusters(
        scratch(groups * SURVEY_GROUP, np.float64),
        scratch(groups * TOGETHER, np.float64),
        marks,
        touched,
    )


@njit(**EXACT)
def free_survey(survey):
    """Give back the arrays of a survey."""
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


@njit(**CALLED)
def project_candidates(visits, survey):
    """Fill the rows of a survey for the candidates of the strip, or for clusters."""
    if visits.clusters == 0:
        project(visits, survey.axes, survey.candidates[-1], survey.frame, survey.rows)
    else:
        project(visits, visits.cluster_axes, visits.clusters, survey.frame, survey.clusters.rows)


@njit(**EXACT)
def numbers_of(visits, survey, candidate):
    """Direct vectors of a candidate; frame numbers and radii about them: its own and 0, or those of its cluster."""
    group, o = candidate // TOGETHER, candidate % TOGETHER
    if visits.clusters == 0:
        frame = frame_numbers(survey.rows, group * SURVEY_GROUP + o)
        return direct_numbers(survey.axes, group * AXES_GROUP + o), frame, (0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    at, place = group // TOGETHER, group % TOGETHER
    frame = frame_numbers(survey.clusters.rows, at * SURVEY_GROUP + place)
    return (
        direct_numbers(visits.axes, group * AXES_GROUP + o),
        frame,
        radii_of(visits.radii, at * RADII_GROUP + place),
    )


@njit(**CALLED)
def flag_clusters(visits, survey):
    """Set the flags of the clusters that may light the box; returns their number."""
    qx, qy, qz, half_0, half_1, half_2 = q_box(survey.frame)
    axes, radii, rows, flags = visits.cluster_axes, visits.radii, survey.clusters.rows, survey.clusters.flags
    for group in range(groups_of(visits.clusters)):
        for o in range(TOGETHER):
            direct, frame = direct_numbers(axes, group * AXES_GROUP + o), frame_numbers(rows, group * SURVEY_GROUP + o)
            own = radii_of(radii, group * RADII_GROUP + o)
            lit = may_be_lit_within(visits, direct, frame, own, True, qx, qy, qz, half_0, half_1, half_2)
            flags[group * TOGETHER + o] = 1.0 if lit else 0.0
    found = 0
    for number in range(visits.clusters):
        found += flags[number] != 0.0
    return found


@njit(**EXACT)
def list_flagged(flags, first, count, found, total):
    """List those from ``first`` on whose flags are set, of ``count`` in all; returns the new ``total``."""
    for o in range(min(TOGETHER, count - first)):
        found[total] = first + o
        total += flags[o] != 0.0
    return total


@njit(**CALLED)
def choose_from_all(visits, axes, count, survey, found):
    """List in ``found`` which of the first ``count`` orientations of ``axes`` may light a box; returns their number."""
    qx, qy, qz, half_0, half_1, half_2 = q_box(survey.frame)
    rows, flags, total = survey.rows, survey.flags, 0
    for group in range(groups_of(count)):
        any_lit = 0.0
        for o in range(TOGETHER):
            direct, frame = direct_numbers(axes, group * AXES_GROUP + o), frame_numbers(rows, group * SURVEY_GROUP + o)
            lit = may_be_lit(visits, direct, frame, qx, qy, qz, half_0, half_1, half_2)
            flags[o] = 1.0 if lit else 0.0
        for o in range(TOGETHER):
            any_lit = max(any_lit, flags[o])
        if any_lit != 0.0:
            total = list_flagged(flags, group * TOGETHER, count, found, total)
    return total


@njit(**CALLED)
def choose_from_clusters(visits, survey, found):
    """List in ``found`` the candidates that may light a box, in the order of orientations; returns their number."""
    if flag_clusters(visits, survey) == 0:
        return 0
    qx, qy, qz, half_0, half_1, half_2 = q_box(survey.frame)
    axes, clusters, flags, total = visits.axes, survey.clusters, survey.flags, 0
    for cluster in range(visits.clusters):
        if clusters.flags[cluster] == 0.0:
            continue
        group, place = cluster // TOGETHER, cluster % TOGETHER
        frame = frame_numbers(clusters.rows, group * SURVEY_GROUP + place)
        radii = radii_of(visits.radii, group * RADII_GROUP + place)
        for o in range(TOGETHER):
            direct = direct_numbers(axes, cluster * AXES_GROUP + o)
            lit = may_be_lit_within(visits, direct, frame, radii, False, qx, qy, qz, half_0, half_1, half_2)
            flags[o] = 1.0 if lit else 0.0
        total = list_flagged(flags, cluster * TOGETHER, visits.orientations, found, total)
    _in_order(visits, survey, found, total)
    return total


@njit(**CALLED)
def _in_order(visits, survey, found, count):
    """Sort numbers of candidates by orientation, the order in which samples are summed."""
    marks, touched = survey.clusters.marks, survey.clusters.touched
    for number in range(count):
        orientation = visits.order[found[number]]
        marks[orientation] = found[number] + 1
        touched[orientation // TOGETHER] = 1
    number = 0
    for group in range(groups_of(visits.orientations)):
        if touched[group] == 0:
            continue
        touched[group] = 0
        for orientation in range(group * TOGETHER, (group + 1) * TOGETHER):
            found[number] = marks[orientation] - 1
            number += marks[orientation] != 0
            marks[orientation] = 0


@njit(**CALLED)
def choose_from_several(visits, survey, count):
    """List in ``chosen`` the visits that the first ``count`` of ``several`` and the boxes of the parts ask for."""
    frame, flags, found = survey.frame, survey.flags, 0
    for number in range(count):
        candidate = survey.several[number]
        orientation = survey.candidates[candidate] if visits.clusters == 0 else visits.order[candidate]
        flag_parts(visits, numbers_of(visits, survey, candidate), frame, flags)
        for part in range(PARTS):
            survey.chosen[found] = orientation * PARTS + part
            found += flags[part] != 0.0
    return found


@njit(**CONTRACTED)
def flag_parts(visits, numbers, frame, flags):
    """Set the flags of the parts that a candidate with those numbers may light."""
    direct, of_frame, radii = numbers
    q, half = PART_Q, PART_Q_HALF
    for part in range(visits.parts):
        qx, qy, qz = frame[q + part], frame[q + PARTS + part], frame[q + 2 * PARTS + part]
        half_0, half_1, half_2 = frame[half + part], frame[half + PARTS + part], frame[half + 2 * PARTS + part]
        lit = may_be_lit_within(visits, direct, of_frame, radii, False, qx, qy, qz, half_0, half_1, half_2)
        flags[part] = 1.0 if lit else 0.0


@njit(**CALLED)
def look_ahead(visits, panel, plan, sources, positions, grid, start, block):
    """List the candidates of the strip from ``start`` on, with their axes; returns their number."""
    survey, none = block.survey, np.int64(0)
    widen_by_strip(panel, plan, positions, grid, start, block.rows, survey.frame)
    bound(visits, sources, none, sources.shape[0], survey.frame)
    if is_beyond(visits, survey.frame):
        return 0
    if visits.clusters > 0:
        project(visits, visits.cluster_axes, visits.clusters, survey.frame, survey.clusters.rows)
        return visits.orientations if flag_clusters(visits, survey) > 0 else none
    project(visits, visits.axes, visits.orientations, survey.frame, survey.rows)
    count = choose_from_all(visits, visits.axes, visits.orientations, survey, survey.candidates)
    for number in range(groups_of(count) * TOGETHER):
        orientation = survey.candidates[min(number, count - 1)]
        here = number // TOGETHER * AXES_GROUP + number % TOGETHER
        there = orientation // TOGETHER * AXES_GROUP + orientation % TOGETHER
        for offset in range(0, AXES_GROUP, TOGETHER):
            survey.axes[here + offset] = visits.axes[there + offset]
    return count


@njit(**CALLED)
def choose_for_all_parts(visits, sources, first, last, survey):
    """List in ``several`` the candidates that the block's box may be lit by for some sources; returns their number."""
    bound(visits, sources, first, last, survey.frame)
    if is_beyond(visits, survey.frame):
        return 0
    if visits.clusters > 0:
        return choose_from_clusters(visits, survey, survey.several)
    return choose_from_all(visits, survey.axes, survey.candidates[-1], survey, survey.several)
