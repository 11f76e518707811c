"""Images that depend on the order of evaluation, as parts that do not, and single pixels for the formula.

Two of the C program's habits change something at one sample: interpolation that ends for the rest of the run at the
first sample outside the table [B12], and the one evaluation that a stale orientation spares [B02]. Before and after the
pixels in which that happens the scene is uniform.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from nanobrag_torch.kernel import tiles
from nanobrag_torch.kernel.cpu.function import first_outside, render_compiled
from nanobrag_torch.kernel.cpu.tasks import Progress
from nanobrag_torch.kernel.formula import photons
from nanobrag_torch.kernel.memory import MEMORY_BUDGET
from nanobrag_torch.kernel.pixels import Pixels
from nanobrag_torch.scene import Scene


def ends_for_good(scene: Scene) -> bool:
    """Whether the first sample outside the table ends interpolation."""
    amplitudes = scene.amplitudes
    return amplitudes.table is not None and amplitudes.interpolate and amplitudes.fallback == "global"


@dataclass(frozen=True)
class Order:
    """A scene, and the pixel of its very first evaluation with the scene that holds there (None if it is no other)."""

    scene: Scene
    pixels: Pixels
    first: int | None
    fresh: Scene | None

    @classmethod
    def of(cls, scene: Scene, pixels: Pixels) -> "Order":
        start = 0
        while scene.first_lattice is not None and start < len(pixels):
            stop = min(max(1, 16 * start), len(pixels))
            slow, fast = pixels.between(start, stop).lists()
            found = tiles.first_evaluation(scene, slow, fast, tiles.pixels_per_tile(scene))
            if found is not None:
                return cls(scene, pixels, start + found[0], found[1])
            start = stop
        return cls(scene, pixels, None, None)

    def at(self, pixel: int) -> tuple[Scene, Tensor, Tensor]:
        """The scene that holds in one pixel, and its slow and fast index (1,)."""
        scene = self.fresh if pixel == self.first and self.fresh is not None else self.scene
        return scene, *self.pixels.between(pixel, pixel + 1).lists()

    def end_of_interpolation(self) -> int:
        """The pixel in which interpolation ends; the number of pixels if it never does."""
        start, count = 0, len(self.pixels)
        while ends_for_good(self.scene) and start < count:
            found = first_outside(self.scene, self.pixels.between(start, count))
            pixel = count if found is None else start + found
            if self.first is not None and start <= self.first:
                pixel = min(pixel, self.first)
            if pixel < count and not tiles.interpolated_samples(*self.at(pixel), True)[1]:
                return pixel
            start = pixel + 1
        return count

    def photons(self, pixel: int, end: int) -> Tensor:
        """Photons (1,) in one pixel, by the formula."""
        interpolated, _ = tiles.interpolated_samples(*self.at(pixel), pixel <= end)
        return photons(*self.at(pixel), interpolated)


def render_in_order(
    scene: Scene, pixels: Pixels, progress: Progress | None = None, memory_budget: int = MEMORY_BUDGET
) -> Tensor:
    """Photons (n,) in ``pixels``, evaluated in their order."""
    if scene.first_lattice is None and not ends_for_good(scene):
        return render_compiled(scene, pixels, progress, memory_budget)
    order, count = Order.of(scene, pixels), len(pixels)
    end = order.end_of_interpolation()
    before = replace(scene, first_lattice=None)
    after = replace(before, amplitudes=replace(scene.amplitudes, interpolate=False))
    pieces, start = [], 0
    for pixel in [*sorted({order.first, end} - {None, count}), count]:  # type: ignore[type-var]
        assert pixel is not None
        if pixel > start:
            part = before if start <= end else after
            tell = _shifted(progress, start, count)
            pieces.append(render_compiled(part, pixels.between(start, pixel), tell, memory_budget))
        if pixel < count:
            pieces.append(order.photons(pixel, end))
        start = pixel + 1
    return torch.cat(pieces) if pieces else torch.zeros(0, dtype=scene.dtype)


def _shifted(progress: Progress | None, start: int, count: int) -> Progress | None:
    return None if progress is None else lambda done, _: progress(start + done, count)
