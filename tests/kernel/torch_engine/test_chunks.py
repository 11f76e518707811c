"""Chunks that are evaluated at once, and the memory that they take."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from random_scenes import F64, Case, simulator
from torch.profiler import ProfilerActivity, profile

from nanobrag_torch.kernel import tables
from nanobrag_torch.kernel.engine import render
from nanobrag_torch.kernel.torch_engine.chunks import BYTES_PER_SAMPLE, Chunks, parts
from nanobrag_torch.kernel.torch_engine.engine import KEPT_BYTES
from nanobrag_torch.scene import Scene


def scene_of(samples: int, sources: int, orientations: int) -> Scene:
    """A scene that has nothing but its numbers."""
    made = simulator().scene()
    return replace(
        made,
        panel=replace(made.panel, layers=samples),
        sources=replace(made.sources, directions=torch.empty((sources, 3))),
        lattice=replace(made.lattice, a=torch.empty((orientations, 3))),
    )


sizes = st.one_of(st.integers(1, 5), st.integers(1, 10**6))


@given(sizes, sizes, sizes, sizes, st.integers(1, 1 << 30), st.one_of(st.none(), st.integers(1, 1000)))
@settings(deadline=None, derandomize=True)
def test_a_chunk_has_at_least_one_of_everything_and_fits_the_budget(
    samples, sources, orientations, pixels, budget, tile
):
    chunks = Chunks.of(scene_of(samples, sources, orientations), pixels, budget, tile)
    numbers = (chunks.samples, chunks.sources, chunks.orientations, chunks.pixels)
    for number, most in zip(numbers, (samples, sources, orientations, min(pixels, tile or pixels)), strict=True):
        assert 1 <= number <= most
    held = chunks.samples * chunks.sources * chunks.orientations * chunks.pixels
    assert held == 1 or held * BYTES_PER_SAMPLE["constant"] <= budget


def test_a_budget_that_holds_everything_makes_one_chunk():
    assert Chunks.of(scene_of(4, 5, 6), 7, 1 << 30) == Chunks(7, 4, 5, 6)


def test_parts_cover_a_range_once():
    assert list(parts(7, 3)) == [slice(0, 3), slice(3, 6), slice(6, 7)]
    assert list(parts(0, 3)) == []


def peak(run) -> int:
    """Bytes that tensors take at most while something runs, beside those that exist before."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as found:
        run()
    events = found.profiler.kineto_results.events()
    changes = sorted((e.start_ns(), e.nbytes()) for e in events if e.name() == "[memory]")
    live = most = 0
    for _, change in changes:
        live += change if abs(change) != KEPT_BYTES else 0
        most = max(most, live)
    return most


MANY = {
    "domains": {"crystal": {"mosaic_domains": 3000, "mosaic_spread_deg": 1.0}},
    "phi steps": {"crystal": {"osc_range_deg": 1.0, "phi_steps": 3000}},
    "sources": {"beam": {"dispersion_pct": 3.0, "dispersion_steps": 3000}},
    "sub-pixels": {"detector": {"oversample": 40}},
    "layers": {"detector": {"detector_thick_um": 400.0, "detector_abs_um": 300.0, "detector_thicksteps": 3000}},
}


@pytest.mark.parametrize("many", MANY)
@pytest.mark.parametrize("lookup", ["constant", "nearest", "tricubic"])
def test_memory_is_that_of_the_budget_whatever_the_samples_of_a_pixel(many, lookup):
    """One pixel's samples are more than the budget. Beside it there are the scene's tables, a copy, their graph."""
    budget = 1 << 19
    changes = dict(MANY[many])
    changes["detector"] = {"spixels": 2, "fpixels": 2} | changes.get("detector", {})
    case = Case.of(simulator("square", lookup, **changes))
    assert case.scene.samples_per_pixel * BYTES_PER_SAMPLE[lookup] > 1.8 * budget
    image = render(case.scene, case.pixels, "torch", memory_budget=budget)
    weights = torch.ones(len(case.pixels), dtype=F64)
    upstream = peak(lambda: tables.pull_back(case.scene, case.leaves, [True] * len(case.leaves), no_cotangents))
    upstream += sum(table.nbytes for table in tables.tables(case.scene))
    forward = peak(lambda: render(case.scene, case.pixels, "torch", memory_budget=budget))
    backward = peak(lambda: case.gradients(image, weights))
    assert forward <= budget + upstream and backward <= budget + upstream
    assert backward > 0.2 * budget


def no_cotangents(scene: Scene, made: tables.Tables[torch.Tensor]) -> list[torch.Tensor]:
    """Zeros for all tables."""
    return [torch.zeros_like(table) for table in made]
