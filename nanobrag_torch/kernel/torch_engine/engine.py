"""The image by tiles of torch operations, as one differentiable operation on the tensors of a scene.

The forward pass keeps nothing but the scene; the backward pass evaluates the samples anew. A derivative of the gradient
is asked of the readable formula, which autograd can differentiate to any order.
"""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import torch
from torch import Tensor

from nanobrag_torch.kernel import formula_tiles as tiles
from nanobrag_torch.kernel import tables as at
from nanobrag_torch.kernel.formula_tiles import Progress
from nanobrag_torch.kernel.memory import MEMORY_BUDGET
from nanobrag_torch.kernel.pixels import Pixels
from nanobrag_torch.kernel.tables import Tables
from nanobrag_torch.kernel.torch_engine import image as forward
from nanobrag_torch.kernel.torch_engine import reverse
from nanobrag_torch.kernel.torch_engine.chunks import Chunks
from nanobrag_torch.kernel.torch_engine.orientations import Cotangents, Crystal, Wanted
from nanobrag_torch.kernel.torch_engine.rays import Plan
from nanobrag_torch.scene import Scene, tensors_of

#: Less than the largest array that glibc may keep. One made of fresh pages takes three times as long to fill.
KEPT_BYTES = 16 << 20


def render_tiles(
    scene: Scene,
    pixels: Pixels,
    progress: Progress | None = None,
    tile: int | None = None,
    memory_budget: int = MEMORY_BUDGET,
) -> Tensor:
    """Photons (n,) in ``pixels`` of a scene without order-dependent habits, on its device.

    A tile, with what its gradient takes, holds ``memory_budget`` bytes, and at most ``tile`` pixels where given.
    """
    return _Photons.apply(scene, pixels, tile, progress, memory_budget, *tensors_of(scene))


class _Photons(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        scene: Scene,
        pixels: Pixels,
        tile: int | None,
        progress: Progress | None,
        memory_budget: int,
        *tensors: Tensor,
    ) -> Tensor:
        chunks = Chunks.of(scene, len(pixels), memory_budget, tile)
        ctx.scene, ctx.pixels, ctx.chunks, ctx.memory_budget = scene, pixels, chunks, memory_budget
        ctx.save_for_backward(*tensors)
        return image(scene, pixels, chunks, progress)

    @staticmethod
    def backward(ctx: Any, *cotangents: Tensor) -> Any:
        wanted, saved, (bar,) = ctx.needs_input_grad[5:], ctx.saved_tensors, cotangents
        if torch.is_grad_enabled():
            found = tiles.differentiable_gradients(ctx.scene, ctx.pixels, bar, saved, wanted, ctx.memory_budget)
        else:
            found = gradients(ctx.scene, ctx.pixels, bar, saved, wanted, ctx.chunks)
        return None, None, None, None, None, *found


def image(scene: Scene, pixels: Pixels, chunks: Chunks, progress: Progress | None = None) -> Tensor:
    """Photons (n,), outside any graph."""
    device = scene.panel.origin.device
    with torch.no_grad():
        plan, crystal = _inputs(scene, at.tables(scene), chunks)
        values = torch.empty(len(pixels), dtype=scene.dtype, device=device)
        for start in range(0, len(pixels), chunks.pixels):
            stop = min(start + chunks.pixels, len(pixels))
            values[start:stop] = forward.photons(plan, crystal, *pixels.between(start, stop).lists(device), chunks)
            if progress is not None:
                progress(stop, len(pixels))
    return values


def gradients(
    scene: Scene, pixels: Pixels, cotangent: Tensor, tensors: Sequence[Tensor], wanted: Sequence[bool], chunks: Chunks
) -> list[Tensor | None]:
    """Cotangents of the scene's ``tensors``, where ``wanted``, for those of the photons (n,)."""

    def of_tables(apart: Scene, tables: Tables) -> Sequence[Tensor]:
        return pull_back(apart, tables, pixels, cotangent, chunks)

    return at.pull_back(scene, tensors, wanted, of_tables)


def pull_back(scene: Scene, tables: Tables, pixels: Pixels, cotangent: Tensor, chunks: Chunks) -> list[Tensor]:
    """Cotangents of the tables. The largest of the pixels' is taken out, so that float32 has room both ways."""
    device = cotangent.device
    with torch.no_grad():
        largest = torch.linalg.vector_norm(cotangent, torch.inf) if len(cotangent) else cotangent.new_zeros(())
        usable = (largest > 0) & torch.isfinite(largest)
        unit = torch.where(usable, largest, torch.ones_like(largest)).to(torch.float64)
        plan, crystal = _inputs(scene, tables, chunks)
        wanted = Wanted(
            rays=tables.panel.requires_grad or tables.sources.requires_grad,
            vectors=tables.vectors.requires_grad,
            shape=tables.shape.requires_grad,
            lookup=tables.lookup.requires_grad or tables.default.requires_grad,
        )
        asked = (wanted.rays, *wanted, wanted.lookup)
        sizes = [getattr(tables, item.name).shape if asked[i] else 0 for i, item in enumerate(fields(tables))]
        bars = Cotangents(*(torch.zeros(size, dtype=torch.float64, device=device) for size in sizes))
        for start in _tiles_with_cotangents(cotangent, chunks.pixels):
            stop = min(start + chunks.pixels, len(pixels))
            slow, fast = pixels.between(start, stop).lists(device)
            bar = cotangent[start:stop].to(torch.float64) / unit
            reverse.pull_back(plan, crystal, slow, fast, bar, wanted, bars, chunks)
        return [unit * bar for bar in bars]


def _tiles_with_cotangents(cotangent: Tensor, tile: int) -> list[int]:
    """The first pixels of those tiles that have a cotangent: the one moment when the host waits for the device."""
    padded = torch.nn.functional.pad(cotangent, (0, -len(cotangent) % tile))
    alive = (padded != 0).reshape(-1, tile).any(1)
    return (torch.nonzero(alive)[:, 0] * tile).tolist()


def _inputs(scene: Scene, tables: Tables, chunks: Chunks) -> tuple[Plan, Crystal]:
    if scene.panel.origin.device.type == "cpu":
        # Never written to: having taken back one array of this size, the C library keeps memory for the next arrays.
        torch.empty(KEPT_BYTES, dtype=torch.uint8)
    return Plan.of(scene, tables), Crystal.of(scene, tables, chunks.orientations)
