"""Image: photons in a range of pixels."""

from numba import njit

from nanobrag_torch.kernel.numba_engine.blocks import new_block, release_block
from nanobrag_torch.kernel.numba_engine.jit_options import INLINED, LANES
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
from nanobrag_torch.kernel.numba_engine.visits import (
    block_is_dark,
    choose,
    is_dark,
    look,
    sources_at_once,
    strip_is_dark,
)
from nanobrag_torch.kernel.tables import WEIGHT


@njit(**INLINED)
def sum_pixels(inputs, block):
    """Fill TOTAL with the weighed sum over the samples of the block's pixels."""
    panel, plan, sources, rows = inputs.panel, inputs.plan, inputs.sources, block.rows
    visits, survey = inputs.visits, block.survey
    fill(rows, TOTAL, TOTAL, 0.0)
    if block_is_dark(visits, panel, plan, sources, rows, survey):
        return
    weigh_pixels(panel, plan, sources, rows)
    for sample in range(plan.layers * plan.oversample * plan.oversample):
        cast_rays(panel, plan, sample, rows)
        if plan.omega_at < 0:
            weigh_solid_angle(panel, rows)
        if plan.capture_at < 0:
            weigh_capture(panel, plan, sample, rows)
        look(visits, panel, rows, survey)
        at_once = sources_at_once(visits, sources)
        for first in range(0, sources.shape[0], at_once):
            last = min(first + at_once, sources.shape[0])
            count = choose(visits, sources, first, last, survey)
            if is_dark(visits, count):
                continue
            for source in range(first, last):
                scatter(sources, source, plan, rows)
                if plan.polar_first == 0:
                    weigh_polarization(sources, source, rows)
                weight = sources[source, WEIGHT]
                if weight == 0.0 or count == 0 or is_zero(rows, RESOLVED):
                    fill(rows, TERM, TERM, 0.0)
                else:
                    sum_orientations(inputs, block, count)
                for lane in range(LANES):
                    factor = rows[OMEGA + lane] * rows[CAPTURE + lane] * rows[POLAR + lane]
                    sum_of_source = weight * rows[RESOLVED + lane] * rows[TERM + lane]
                    rows[TOTAL + lane] += factor * (sum_of_source + panel.background)


def photons(inputs, positions, grid, first, image):
    """Write photons into an image of zeros, whose precision is that of the evaluation.

    Args:
        inputs: Tables of the scene.
        positions: Positions (n,) of the pixels along the rows of a window.
        grid: Corner (slow, fast) and width of the window.
        first: Position of the image's first pixel where it holds all from there on; -1 where it holds those at
            ``positions`` in their order.
        image: Gets the photons (n,).
    """
    block = new_block(inputs.visits, FORWARD_ROWS, LATTICE_ROWS, image.dtype)
    rows = block.rows
    panel, plan, sources, visits = inputs.panel, inputs.plan, inputs.sources, inputs.visits
    for start in range(0, len(positions), LANES):
        if strip_is_dark(visits, panel, plan, sources, positions, grid, start, block):
            continue
        choose_pixels(positions, grid, start, rows)
        sum_pixels(inputs, block)
        count = min(LANES, len(positions) - start)
        if first < 0:
            for lane in range(count):
                image[start + lane] = panel.scale * rows[TOTAL + lane]
        else:
            for lane in range(count):
                image[positions[start + lane] - first] = panel.scale * rows[TOTAL + lane]
    release_block(inputs.visits, block)
