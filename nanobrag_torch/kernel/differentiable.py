"""Photons as one differentiable operation on the tensors of a scene, whichever engine evaluates them.

The forward pass keeps the scene alone; the backward pass evaluates the samples anew, by the engine's hand-written
reverse pass. A derivative of the gradient comes from the formula, which autograd differentiates to any order.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from nanobrag_torch.kernel import formula_tiles
from nanobrag_torch.kernel.pixels import Pixels, Progress
from nanobrag_torch.kernel.tables import Tables, pull_back
from nanobrag_torch.scene import Scene, tensors_of


class Engine(Protocol):
    """Image and reverse pass of scenes without order-dependent deviations of C, outside any graph."""

    @property
    def memory_budget(self) -> int:
        """Bytes that an evaluation may take beside image and gradient."""

    def image(self, scene: Scene, pixels: Pixels, progress: Progress | None = None) -> Tensor:
        """Photons (n,) in ``pixels``; ``progress`` is called with (pixels done, pixels in all)."""

    def pull_back(self, scene: Scene, tables: Tables[Tensor], pixels: Pixels, cotangent: Tensor) -> Sequence[Tensor]:
        """Cotangents of the ``tables`` of a scene for those, ``cotangent`` (n,), of the photons in ``pixels``."""


def photons(engine: Engine, scene: Scene, pixels: Pixels, progress: Progress | None = None) -> Tensor:
    """Photons in pixels, connected to the tensors of the scene.

    Args:
        engine: The one that evaluates image and gradient.
        scene: A scene that the engine can evaluate.
        pixels: The n pixels.
        progress: Called with (pixels done, pixels in all) during the forward pass.

    Returns:
        Photons (n,) in the scene's dtype, in the order of the pixels.
    """
    apply: Callable[..., Tensor] = _Photons.apply
    return apply(engine, scene, pixels, progress, *tensors_of(scene))


class _Photons(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, engine: Engine, scene: Scene, pixels: Pixels, progress: Progress | None, *tensors: Tensor
    ) -> Tensor:
        ctx.engine, ctx.scene, ctx.pixels = engine, scene, pixels
        ctx.save_for_backward(*tensors)
        return engine.image(scene, pixels, progress)

    @staticmethod
    def backward(ctx: Any, *cotangents: Tensor) -> Any:
        engine, scene, pixels, (cotangent,) = ctx.engine, ctx.scene, ctx.pixels, cotangents
        tensors, wanted = ctx.saved_tensors, ctx.needs_input_grad[4:]
        if torch.is_grad_enabled():
            found = formula_tiles.differentiable_gradients(
                scene, pixels, cotangent, tensors, wanted, engine.memory_budget
            )
        else:
            found = pull_back(
                scene, tensors, wanted, lambda apart, tables: engine.pull_back(apart, tables, pixels, cotangent)
            )
        return None, None, None, None, *found


def cotangent_unit(cotangent: Tensor) -> Tensor:
    """Largest magnitude (0-d, float64) of the pixels' cotangents, or 1 where that is no number to divide by.

    A reverse pass in float32 divides by it and multiplies its sums by it, and so has room both ways.
    """
    if cotangent.device.type == "cpu":  # numpy keeps torch's threads, which would wait actively, out of the way
        values = cotangent.numpy()
        largest = torch.tensor(
            max(-float(values.min(initial=0.0)), float(values.max(initial=0.0))), dtype=torch.float64
        )
    else:
        largest = torch.linalg.vector_norm(cotangent, torch.inf) if len(cotangent) else cotangent.new_zeros(())
    usable = (largest > 0) & torch.isfinite(largest)
    return torch.where(usable, largest, torch.ones_like(largest)).to(torch.float64)
