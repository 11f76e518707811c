"""Deviations of C that depend on the order of evaluation, through both engines."""

from dataclasses import replace
from itertools import cycle, product

import pytest
import torch
from random_scenes import Case, assert_agreement, simulator, table

from nanobrag_torch.kernel import formula_tiles as tiles
from nanobrag_torch.kernel.engine import TILE_OBSTACLES, obstacle, render
from nanobrag_torch.kernel.numba_engine.engine import first_outside
from nanobrag_torch.kernel.sequential import Order

SWEEP = {"osc_range_deg": 3.0, "phi_steps": 3}


def interpolating(half: int, shape: str = "square", sweep: bool = False, **beam: float):
    """A scene in mode c whose table reaches to ``half``, seen on a grid of pixels through the beam."""
    made = simulator(
        shape, "tricubic", "c", crystal={"N_cells": (2, 3, 2)} | (SWEEP if sweep else {}),
        detector={"spixels": 5, "fpixels": 5}, beam=beam,
    )  # fmt: skip
    made.crystal.hkl_data, made.crystal.hkl_metadata = table(half)
    return made


#: Tables that end early, late or never, in beams with and without background or culled pixels, in sweeps and not.
ENDS = list(product([False, True], [4, 9, 20], [{}, {"water_size_um": 2.0}, {"dmin": 3.0}]))
#: Shapes in turn: the search for the end tells a top-hat spot from all others, and nothing else of a shape.
SHAPES = {"numba": ["square", "tophat"], "torch": ["square", "tophat", "round", "gauss"]}


@pytest.mark.parametrize(
    ("engine", "shape", "sweep", "half", "beam"),
    [(engine, shape, *end) for engine in SHAPES for shape, end in zip(cycle(SHAPES[engine]), ENDS, strict=False)],
)
def test_interpolation_that_ends_for_good_and_stale_orientations_agree_with_the_formula(
    engine, shape, sweep, half, beam
):
    case = Case.of(interpolating(half, shape, sweep, **beam))
    assert obstacle(case.scene) is None and obstacle(case.scene, TILE_OBSTACLES) is None
    assert_agreement(case, engine)


def test_interpolation_ends_in_the_first_pixel_that_leaves_the_table():
    """With dmin the corners are not evaluated, so that the end comes in the middle of the image."""
    seen = {}
    for half in (4, 6, 20):
        made = interpolating(half, dmin=4.0)
        order = Order.of(made.scene(), made.pixels())
        seen[half] = order.end_of_interpolation(first_outside)
        assert order.end_of_interpolation(tiles.first_outside) == seen[half]
    assert 0 < seen[4] <= seen[6] < seen[20] == 25


def test_a_stale_orientation_spares_the_first_evaluation_alone():
    made = simulator(compat="c", crystal=SWEEP)
    case, stale = Case.of(made), made.scene()
    image = case.image("numba")
    without = render(replace(stale, first_lattice=None), case.pixels, "numba")
    assert not torch.isclose(image[0], without[0], rtol=1e-6)
    assert torch.equal(image[1:], without[1:])


@pytest.mark.parametrize("engine", ["numba", "torch"])
def test_progress_counts_the_pixels_of_all_parts(engine):
    made, seen = interpolating(5, dmin=4.0), []
    render(made.scene(), made.pixels(), engine, progress=lambda done, total: seen.append((done, total)))
    assert seen == sorted(seen) and seen[-1] == (25, 25)
