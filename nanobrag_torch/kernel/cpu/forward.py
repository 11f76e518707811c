"""The image: photons in a range of pixels."""

import numpy as np
from numba import njit

from nanobrag_torch.kernel.cpu.compiling import EXACT, INLINE, LANES
from nanobrag_torch.kernel.cpu.orientations import LATTICE_ROWS, sum_orientations
from nanobrag_torch.kernel.cpu.rays import (
    CAPTURE,
    FORWARD_ROWS,
    OMEGA,
    POLAR,
    RESOLVED,
    TERM,
    TOTAL,
    WEIGHT,
    cast_rays,
    choose_pixels,
    scatter,
    weigh_capture,
    weigh_pixels,
    weigh_polarization,
    weigh_solid_angle,
)


@njit(**EXACT)
def photons(panel, plan, sources, vectors, shape, lookup, slow, fast, start, stop, image):
    """Write the photons in pixels ``start`` to ``stop`` of the lists ``slow`` and ``fast`` into ``image``.

    ``panel``, ``plan``, ``shape``, ``lookup`` are records, ``sources`` (S, 11) and ``vectors`` (O, 9) tables;
    the evaluation is in the precision of ``image``.
    """
    rows = np.zeros(FORWARD_ROWS)
    fine = np.zeros(LATTICE_ROWS, dtype=image.dtype)
    place, indices = np.zeros(LANES, dtype=np.int32), np.zeros(3 * LANES)
    for block in range(start, stop, LANES):
        choose_pixels(slow, fast, block, stop, rows)
        sum_pixels(panel, plan, sources, vectors, shape, lookup, rows, fine, place, indices)
        for lane in range(min(LANES, stop - block)):
            image[block + lane] = panel.scale * rows[TOTAL + lane]


@njit(**INLINE)
def sum_pixels(panel, plan, sources, vectors, shape, lookup, rows, fine, place, indices):
    """Fill TOTAL with the weighed sum over the samples of the block's pixels."""
    rows[TOTAL : TOTAL + LANES] = 0.0
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
            sum_orientations(shape, lookup, vectors, rows, fine, place, indices)
            weight = sources[source, WEIGHT]
            for lane in range(LANES):
                factor = rows[OMEGA + lane] * rows[CAPTURE + lane] * rows[POLAR + lane]
                sum_of_source = weight * rows[RESOLVED + lane] * rows[TERM + lane]
                rows[TOTAL + lane] += factor * (sum_of_source + panel.background)
