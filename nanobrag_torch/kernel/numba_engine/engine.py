"""The compiled image as one differentiable operation on the tensors of a scene.

The forward pass keeps nothing but the scene; the backward pass evaluates the samples anew. A derivative of the gradient
is asked of the readable formula, which autograd can differentiate to any order.
"""

import math
from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nanobrag_torch.kernel import formula_tiles as tiles
from nanobrag_torch.kernel.jvp import tangents_of
from nanobrag_torch.kernel.memory import MEMORY_BUDGET
from nanobrag_torch.kernel.numba_engine import image as forward
from nanobrag_torch.kernel.numba_engine import inputs as arrays
from nanobrag_torch.kernel.numba_engine import reverse
from nanobrag_torch.kernel.numba_engine import tangents as push
from nanobrag_torch.kernel.numba_engine import threads as tasks
from nanobrag_torch.kernel.numba_engine.jit_options import LANES
from nanobrag_torch.kernel.pixels import Pixels
from nanobrag_torch.kernel.tables import Tables, pull_back
from nanobrag_torch.kernel.tables import tables as tables_of
from nanobrag_torch.scene import Scene, Weighing, tensors_of
from nanobrag_torch.units import DEFAULT_FLUENCE

#: Numbers in a cache line, or in two, since processors fetch them in pairs.
CACHE_LINE = 16


def render_compiled(
    scene: Scene, pixels: Pixels, progress: tasks.Progress | None = None, memory_budget: int = MEMORY_BUDGET
) -> Tensor:
    """Photons (n,) in ``pixels`` of a scene without order-dependent habits, on the CPU.

    ``memory_budget`` bounds, in bytes, the cotangents that jobs keep side by side in the backward pass.
    """
    return _Photons.apply(scene, pixels, progress, memory_budget, *tensors_of(scene))


class _Photons(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, scene: Scene, pixels: Pixels, progress: tasks.Progress | None, memory_budget: int, *tensors: Tensor
    ) -> Tensor:
        ctx.scene, ctx.pixels, ctx.memory_budget = scene, pixels, memory_budget
        ctx.save_for_backward(*tensors)
        return image(scene, pixels, progress)

    @staticmethod
    def backward(ctx: Any, *cotangents: Tensor) -> Any:
        wanted = ctx.needs_input_grad[4:]
        evaluate = tiles.differentiable_gradients if torch.is_grad_enabled() else gradients
        found = evaluate(ctx.scene, ctx.pixels, cotangents[0], ctx.saved_tensors, wanted, ctx.memory_budget)
        return None, None, None, None, *found


def image(scene: Scene, pixels: Pixels, progress: tasks.Progress | None = None) -> Tensor:
    """Photons (n,), outside any graph."""
    with torch.no_grad():
        inputs = _records(scene, tables_of(scene))
    return _sum(scene, inputs, pixels, progress)


def first_outside(scene: Scene, pixels: Pixels) -> int | None:
    """The number of the first pixel with a resolved sample at which the interpolation would leave the table, or None.

    The scene is summed with a look-up that is 1 outside and 0 inside, and every other factor positive; only a top-hat
    spot without background keeps its shape, since a sample that it extinguishes is never looked up.
    """
    lattice = scene.lattice
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
        *inputs, _ = _records(bright, tables_of(bright))
    start = 0
    while start < len(pixels):
        stop = min(max(LANES, 16 * start), len(pixels))
        found = torch.nonzero(_sum(bright, (*inputs, arrays.outside_record(scene)), pixels.between(start, stop)))
        if len(found):
            return start + int(found[0])
        start = stop
    return None


def _sum(scene: Scene, inputs: tuple[Any, ...], pixels: Pixels, progress: tasks.Progress | None = None) -> Tensor:
    values = np.empty(len(pixels), dtype=arrays.REAL[scene.dtype])

    def run(job: int, start: int, stop: int) -> None:
        forward.photons(*inputs, pixels.positions(start, stop), pixels.grid, values[start:stop])

    jobs = [[work] for work in tasks.ranges(len(pixels), scene.samples_per_pixel)]
    tasks.spread(jobs, run, torch.get_num_threads(), progress)
    return torch.from_numpy(values)


def gradients(
    scene: Scene,
    pixels: Pixels,
    cotangent: Tensor,
    tensors: Sequence[Tensor],
    wanted: Sequence[bool],
    memory_budget: int = MEMORY_BUDGET,
) -> list[Tensor | None]:
    """Cotangents of the scene's ``tensors``, where ``wanted``, for those of the photons (n,)."""

    def of_tables(apart: Scene, made: Tables) -> Sequence[Tensor]:
        return _pull_back(apart, made, pixels, cotangent, memory_budget)

    return pull_back(scene, tensors, wanted, of_tables)


def sensitivities(scene: Scene, pixels: Pixels, parameters: Sequence[Tensor]) -> Tensor:
    """Derivatives (parameters, n) of the photons in ``pixels`` with respect to every element of ``parameters``."""
    tables = tables_of(scene)
    outputs = [getattr(tables, item.name) for item in fields(tables)]
    panel, sources, vectors, shape, *amplitudes = tangents_of(outputs, parameters)
    vectors, shape = (moved if bool(moved.any()) else moved[:0] for moved in (vectors, shape))
    if not any(bool(moved.any()) for moved in amplitudes):
        amplitudes = [moved[:0] for moved in amplitudes]
    moving = push.Tangents(*(moved.numpy() for moved in (panel, sources, vectors, shape, *amplitudes)))
    inputs = _records(scene, tables)
    count = sum(parameter.numel() for parameter in parameters)
    images = np.empty((count, len(pixels)), dtype=arrays.REAL[scene.dtype])

    def run(job: int, start: int, stop: int) -> None:
        part = np.empty((count, stop - start), dtype=images.dtype)
        push.push(*inputs, pixels.positions(start, stop), pixels.grid, moving, part)
        images[:, start:stop] = part

    jobs = [[work] for work in tasks.ranges(len(pixels), scene.samples_per_pixel)]
    tasks.spread(jobs, run, torch.get_num_threads())
    return torch.from_numpy(images)


def _records(scene: Scene, tables: Tables) -> tuple[Any, ...]:
    return (
        arrays.panel_record(tables.panel.detach()),
        arrays.plan_record(scene),
        tables.sources.detach().numpy(),
        tables.vectors.detach().numpy(),
        arrays.shape_record(scene, tables.shape.detach()),
        arrays.lookup_record(scene, tables.lookup.detach(), tables.default.detach()),
    )


def _pull_back(scene: Scene, tables: Tables, pixels: Pixels, cotangent: Tensor, memory_budget: int) -> list[Tensor]:
    """Cotangents of the tables. The largest of the pixels' is taken out of float32, which then has room both ways."""
    outputs = [getattr(tables, item.name) for item in fields(tables)]
    unit = _largest(cotangent) if scene.dtype == torch.float32 else 1.0
    inputs = _records(scene, tables)
    rays = tables.panel.requires_grad or tables.sources.requires_grad
    wanted = reverse.Wanted(
        vectors=tables.vectors.requires_grad,
        shape=tables.shape.requires_grad,
        lookup=tables.lookup.requires_grad or tables.default.requires_grad,
    )
    asked = (rays, rays, wanted.vectors, wanted.shape, wanted.lookup, wanted.lookup)
    shapes = [output.shape if ask else (0,) * output.ndim for ask, output in zip(asked, outputs, strict=True)]
    jobs = _jobs(scene, pixels, shapes, memory_budget)
    bars = [reverse.Cotangents(*map(_zeros_apart, shapes)) for _ in range(max(1, len(jobs)))]

    def run(job: int, start: int, stop: int) -> None:
        bar = cotangent[start:stop] if unit == 1.0 else cotangent[start:stop] / unit
        reverse.PULL_BACK[rays](
            *inputs, pixels.positions(start, stop), pixels.grid, bar.contiguous().numpy(), wanted, bars[job]
        )

    tasks.spread(jobs, run, torch.get_num_threads())
    totals = bars[0]
    for others in bars[1:]:
        for total, other in zip(totals, others, strict=True):
            total += other
    return [torch.from_numpy(total if unit == 1.0 else unit * total) for total in totals]


def _zeros_apart(shape: Sequence[int]) -> np.ndarray:
    """Zeros that share no cache line with those of another thread, which would hold up both."""
    size = math.prod(shape)
    return np.zeros(size + 2 * CACHE_LINE)[CACHE_LINE : CACHE_LINE + size].reshape(shape)


def _largest(cotangent: Tensor) -> float:
    """The largest magnitude, or 1 where it is none to divide by."""
    values = cotangent.numpy()
    largest = max(-float(values.min(initial=0.0)), float(values.max(initial=0.0)))
    return largest if 0 < largest < np.inf else 1.0


def _jobs(scene: Scene, pixels: Pixels, shapes: Sequence[Sequence[int]], memory_budget: int) -> list[list[tasks.Range]]:
    """Jobs with cotangents of those shapes each: as many as memory allows and adding them up is worth."""
    size = max(1, sum(math.prod(shape) for shape in shapes))
    worth = len(pixels) * scene.samples_per_pixel // size
    count = max(2, min(tasks.RANGES_PER_IMAGE, memory_budget // (8 * size), worth))
    return tasks.shares(tasks.ranges(len(pixels), scene.samples_per_pixel), count)
