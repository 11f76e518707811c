"""Photons as one differentiable operation on the tensors of a scene, whichever engine evaluates them.

The engine evaluates the image and, by its hand-written reverse pass, the gradient. What is asked beyond these comes
from the formula, which autograd differentiates to any order.
"""

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from nanobrag_torch.kernel import formula_tiles
from nanobrag_torch.kernel.operation import Operation, Wanted
from nanobrag_torch.kernel.pixels import Pixels, Progress
from nanobrag_torch.kernel.tables import Tables, pull_back
from nanobrag_torch.scene import Scene, tensors_of, with_tensors


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

    def scene_of(tensors: Sequence[Tensor]) -> Scene:
        return with_tensors(scene, tensors)

    def image(*tensors: Tensor) -> tuple[Tensor]:
        return (engine.image(scene_of(tensors), pixels, progress),)

    def formula(*tensors: Tensor) -> tuple[Tensor]:
        tile = formula_tiles.pixels_per_tile(scene, engine.memory_budget)
        return (formula_tiles.render(scene_of(tensors), *pixels.lists(scene.panel.origin.device), tile),)

    def gradient(wanted: Wanted, *given: Tensor) -> list[Tensor]:
        *tensors, cotangent = given
        return pull_back(
            scene_of(tensors), tensors, wanted, lambda apart, made: engine.pull_back(apart, made, pixels, cotangent)
        )

    (values,) = Operation(formula, fast=image, fast_pull_back=gradient)(*tensors_of(scene))
    return values


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
