"""The image: photons in a range of pixels."""

import numpy as np
from numba import njit

from nanobrag_torch.kernel.numba_engine.jit_options import INLINED, LANES, entry
from nanobrag_torch.kernel.numba_engine.lookups import LOOKUP_ROWS
from nanobrag_torch.kernel.numba_engine.orientations import LATTICE_ROWS, sum_orientations
from nanobrag_torch.kernel.numba_engine.rays import (
    CAPTURE,
    FORWARD_ROWS,
    OMEGA,
    POLAR,
    RESOLVED,
    TERM,
    TOTAL,
    cast_rays,
    choose_pixels,
    fill,
    is_zero,
    scatter,
    weigh_capture,
    weigh_pixels,
    weigh_polarization,
    weigh_solid_angle,
)
from nanobrag_torch.kernel.tables import WEIGHT


@njit(**INLINED)
def sum_pixels(panel, plan, sources, vectors, shape, lookup, rows, fine, place, indices):
    """Fill TOTAL with the weighed sum over the samples of the block's pixels."""
    fill(rows, TOTAL, TOTAL, 0.0)
    weigh_pixels(panel, plan, sources, rows)
    for sample in range(plan.layers * plan.oversample * plan.oversample):
        cast_rays(panel, plan, sample, rows)
        if plan.omega_at < 0:
            weigh_solid_angle(panel, rows)
        if plan.capture_at < 0:
            weigh_capture(panel, plan, sample, rows)
        for source in range(sources.shape[0]):
            scatter(sources, source, plan, rows)
            if plan.polar_first == 0:
                weigh_polarization(sources, source, rows)
            weight = sources[source, WEIGHT]
            if weight == 0.0 or is_zero(rows, RESOLVED):
                fill(rows, TERM, TERM, 0.0)
            else:
                sum_orientations(shape, lookup, vectors, rows, fine, place, indices)
            for lane in range(LANES):
                factor = rows[OMEGA + lane] * rows[CAPTURE + lane] * rows[POLAR + lane]
                sum_of_source = weight * rows[RESOLVED + lane] * rows[TERM + lane]
                rows[TOTAL + lane] += factor * (sum_of_source + panel.background)


@entry
def photons(panel, plan, sources, vectors, shape, lookup, positions, grid, image):
    """Write the photons in the pixels at ``positions`` (n,) of ``grid`` into ``image`` (n,).

    ``panel``, ``plan``, ``shape``, ``lookup`` are records, ``sources`` (S, 11) and ``vectors`` (O, 9) tables;
    the evaluation is in the precision of ``image``.
    """
    rows = np.empty(FORWARD_ROWS)
    fine = np.empty(LATTICE_ROWS, dtype=image.dtype)
    place, indices = np.empty(LANES, dtype=np.int32), np.empty(LOOKUP_ROWS)
    for block in range(0, len(image), LANES):
        choose_pixels(positions, grid, block, rows)
        sum_pixels(panel, plan, sources, vectors, shape, lookup, rows, fine, place, indices)
        for lane in range(min(LANES, len(image) - block)):
            image[block + lane] = panel.scale * rows[TOTAL + lane]
