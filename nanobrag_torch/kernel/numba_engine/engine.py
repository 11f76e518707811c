"""Image, reverse pass and forward sensitivities by compiled loops, spread over threads."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from nanobrag_torch.kernel.differentiable import cotangent_unit
from nanobrag_torch.kernel.jvp import tangents_of
from nanobrag_torch.kernel.memory import MEMORY_BUDGET
from nanobrag_torch.kernel.numba_engine import entries, threads
from nanobrag_torch.kernel.numba_engine.inputs import (
    REAL,
    lookup_record,
    outside_record,
    panel_record,
    shape_record,
    visits_record,
)
from nanobrag_torch.kernel.numba_engine.records import LANES, Inputs, LitSamples
from nanobrag_torch.kernel.numba_engine.subpixels import divided, divisions, pieces
from nanobrag_torch.kernel.numba_engine.threads import Range
from nanobrag_torch.kernel.numba_engine.tiles import strips
from nanobrag_torch.kernel.pixel_plan import PixelPlan
from nanobrag_torch.kernel.pixels import Pixels, Progress
from nanobrag_torch.kernel.tables import PIXEL_SIZE, Tables, WantedTables
from nanobrag_torch.kernel.tables import tables as tables_of
from nanobrag_torch.scene import Scene, Weighing
from nanobrag_torch.units import DEFAULT_FLUENCE

#: Numbers in a cache line, or in two, since processors fetch them in pairs.
CACHE_LINE = 16


@dataclass(frozen=True)
class CompiledLoops:
    """Image and reverse pass by compiled loops on the CPU, as ``differentiable.Engine`` asks for them.

    ``memory_budget`` bounds, in bytes, the cotangents that jobs keep side by side in the reverse pass.
    """

    memory_budget: int = MEMORY_BUDGET

    def image(self, scene: Scene, pixels: Pixels, progress: Progress | None = None) -> Tensor:
        """Photons (n,), outside any graph."""
        with torch.no_grad():
            inputs = _records(scene, tables_of(scene))
        return _sum(scene, inputs, pixels, progress)

    def pull_back(self, scene: Scene, tables: Tables[Tensor], pixels: Pixels, cotangent: Tensor) -> list[Tensor]:
        """Cotangents of the tables for those, ``cotangent`` (n,), of the photons."""
        unit = cotangent_unit(cotangent).item() if scene.dtype == torch.float32 else 1.0
        inputs = _records(scene, tables)
        wanted = WantedTables.of(tables)
        shapes = [
            table.shape if asked else (0,) * table.ndim for asked, table in zip(wanted.by_table(), tables, strict=True)
        ]
        jobs = _jobs(scene, inputs, pixels, shapes, self.memory_budget)
        bars = [Tables(*map(_zeros_apart, shapes)) for _ in range(max(1, len(jobs)))]

        def run(job: int, start: int, stop: int) -> None:
            bar = cotangent[start:stop] if unit == 1.0 else cotangent[start:stop] / unit
            for piece in pieces(inputs, pixels, start, stop):
                spread = piece.spread(bar.contiguous().numpy())
                entries.PULL_BACK[wanted.rays](piece.inputs, piece.positions, piece.grid, spread, wanted, bars[job])

        threads.spread(jobs, run, torch.get_num_threads())
        totals = bars[0]
        for others in bars[1:]:
            for total, other in zip(totals, others, strict=True):
                total += other
        totals.panel[PIXEL_SIZE : PIXEL_SIZE + 1] /= divisions(inputs)
        return [torch.from_numpy(total if unit == 1.0 else unit * total) for total in totals]


def first_outside(scene: Scene, pixels: Pixels) -> int | None:
    """Number of the first pixel with a resolved sample at which the interpolation would leave the table, or None.

    The scene is summed with a look-up that is 1 outside and 0 inside, and every other factor positive; only a top-hat
    spot without background keeps its shape, since a sample that it extinguishes is never looked up.
    """
    lattice = replace(scene.lattice, cutoff=0.0)
    if lattice.shape != "tophat" or scene.has_background:
        lattice = replace(lattice, shape="gauss", fudge=torch.zeros_like(lattice.fudge))
    bright = replace(
        scene,
        panel=replace(scene.panel, point_pixel=True, has_sensor=False),
        sources=replace(scene.sources, weights=torch.ones_like(scene.sources.weights)),
        polarization=replace(scene.polarization, enabled=False),
        lattice=lattice,
        weighing=Weighing(),
        fluence=torch.full_like(scene.fluence, DEFAULT_FLUENCE),
        has_background=False,
    )
    with torch.no_grad():
        inputs = _records(bright, tables_of(bright))._replace(lookup=outside_record(scene))
    start = 0
    while start < len(pixels):
        stop = min(max(LANES, 16 * start), len(pixels))
        found = torch.nonzero(_sum(bright, inputs, pixels.between(start, stop)))
        if len(found):
            return start + int(found[0])
        start = stop
    return None


def _sum(scene: Scene, inputs: Inputs, pixels: Pixels, progress: Progress | None = None) -> Tensor:
    values = np.zeros(len(pixels), dtype=REAL[scene.dtype])

    def run(job: int, start: int, stop: int) -> None:
        for piece in pieces(inputs, pixels, start, stop):
            own = values[start:stop]
            found = own if piece.is_whole else np.zeros(len(piece.positions), dtype=values.dtype)
            entries.PHOTONS(piece.inputs, piece.positions, piece.grid, piece.first, found)
            if not piece.is_whole:
                piece.gather(found, own)

    jobs = [[work] for work in _ranges(scene, inputs, pixels)]
    threads.spread(jobs, run, torch.get_num_threads(), progress)
    return torch.from_numpy(values)


def sensitivities(scene: Scene, pixels: Pixels, parameters: Sequence[Tensor]) -> Tensor:
    """Derivatives (m, n) of the photons in ``pixels`` with respect to the m elements of ``parameters``."""
    tables = tables_of(scene)
    panel, sources, vectors, shape, *amplitudes = tangents_of(tables, parameters)
    vectors, shape = (moved if bool(moved.any()) else moved[:0] for moved in (vectors, shape))
    if not any(bool(moved.any()) for moved in amplitudes):
        amplitudes = [moved[:0] for moved in amplitudes]
    moving = Tables(*(moved.numpy() for moved in (panel, sources, vectors, shape, *amplitudes)))
    inputs = _records(scene, tables)
    count = sum(parameter.numel() for parameter in parameters)
    moving.panel[:, PIXEL_SIZE] /= divisions(inputs)
    images = np.zeros((count, len(pixels)), dtype=REAL[scene.dtype])

    def run(job: int, start: int, stop: int) -> None:
        for piece in pieces(inputs, pixels, start, stop):
            found = np.empty((count, len(piece.positions)), dtype=images.dtype)
            entries.PUSH(piece.inputs, piece.positions, piece.grid, moving, found)
            piece.gather(found, images[:, start:stop])

    jobs = [[work] for work in _ranges(scene, inputs, pixels)]
    threads.spread(jobs, run, torch.get_num_threads())
    return torch.from_numpy(images)


def _records(scene: Scene, tables: Tables[Tensor]) -> Inputs:
    panel, plan = panel_record(tables.panel.detach()), PixelPlan.of(scene)
    return Inputs(
        panel,
        plan,
        tables.sources.detach().numpy(),
        tables.vectors.detach().numpy(),
        shape_record(scene, tables.shape.detach()),
        lookup_record(scene, tables.lookup.detach(), tables.default.detach()),
        visits_record(scene, tables, divided(panel, plan)[0]),
    )


def _ranges(scene: Scene, inputs: Inputs, pixels: Pixels) -> list[Range]:
    """Ranges that hold whole squares of pixels where blocks may be dark."""
    if isinstance(inputs.visits, LitSamples) and pixels.chosen is None:
        return strips(pixels, scene.samples_per_pixel)
    return threads.ranges(len(pixels), scene.samples_per_pixel)


def _zeros_apart(shape: Sequence[int]) -> np.ndarray:
    """Zeros that share no cache line with those of another thread, which would hold up both."""
    size = math.prod(shape)
    return np.zeros(size + 2 * CACHE_LINE)[CACHE_LINE : CACHE_LINE + size].reshape(shape)


def _jobs(
    scene: Scene, inputs: Inputs, pixels: Pixels, shapes: Sequence[Sequence[int]], memory_budget: int
) -> list[list[Range]]:
    """Jobs with cotangents of those shapes each: as many as memory allows and adding them up is worth."""
    size = max(1, sum(math.prod(shape) for shape in shapes))
    worth = len(pixels) * scene.samples_per_pixel // size
    count = max(2, min(threads.RANGES_PER_IMAGE, memory_budget // (8 * size), worth))
    return threads.shares(_ranges(scene, inputs, pixels), count)
