"""Split an order-dependent image into independent parts plus the pixels that the formula must evaluate.

Two deviations of C change something at one sample: interpolation that ends for the rest of the run at the first sample
outside the table [B12], and the one evaluation that a stale orientation spares [B02] (docs/deviations-of-c.md). Before
and after the pixels in which that happens the scene is uniform, and either engine can render it.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from nanobrag_torch.kernel import formula_tiles as tiles
from nanobrag_torch.kernel.formula import photons
from nanobrag_torch.kernel.pixels import Pixels, Progress
from nanobrag_torch.scene import Scene

#: Photons (n,) in some pixels of a uniform scene.
Render = Callable[[Scene, Pixels, Progress | None], Tensor]
#: The number of the first pixel whose samples may leave the table, or None.
Find = Callable[[Scene, Pixels], int | None]


def ends_for_good(scene: Scene) -> bool:
    """True if the first sample outside the table ends interpolation [B12]."""
    amplitudes = scene.amplitudes
    return amplitudes.table is not None and amplitudes.interpolate and amplitudes.fallback == "global"


@dataclass(frozen=True)
class Order:
    """Pixels of a scene in the order of evaluation.

    Attributes:
        scene: The scene of all pixels but one.
        pixels: The pixels, in order.
        first: Pixel of the very first evaluation where that has a scene of its own [B02], or None.
        fresh: The scene of that pixel, or None.
    """

    scene: Scene
    pixels: Pixels
    first: int | None
    fresh: Scene | None

    @classmethod
    def of(cls, scene: Scene, pixels: Pixels) -> "Order":
        """The order of an image, after a search for its first evaluation."""
        start = 0
        while scene.first_lattice is not None and start < len(pixels):
            stop = min(max(1, 16 * start), len(pixels))
            slow, fast = pixels.between(start, stop).lists(scene.panel.origin.device)
            found = tiles.first_evaluation(scene, slow, fast, tiles.pixels_per_tile(scene))
            if found is not None:
                return cls(scene, pixels, start + found[0], found[1])
            start = stop
        return cls(scene, pixels, None, None)

    def at(self, pixel: int) -> tuple[Scene, Tensor, Tensor]:
        """Scene that holds in one pixel, and its slow and fast index (1,)."""
        scene = self.fresh if pixel == self.first and self.fresh is not None else self.scene
        return scene, *self.pixels.between(pixel, pixel + 1).lists(scene.panel.origin.device)

    def end_of_interpolation(self, first_outside: Find) -> int:
        """Number of the pixel in which interpolation ends; the number of pixels if it never does."""
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
    scene: Scene, pixels: Pixels, render: Render, first_outside: Find, progress: Progress | None = None
) -> Tensor:
    """Photons in pixels, evaluated in their order.

    Args:
        scene: Description of the experiment.
        pixels: The n pixels.
        render: Renders uniform parts.
        first_outside: Finds the first pixel whose samples may leave the table.
        progress: Called with (pixels done, pixels in all).

    Returns:
        Photons (n,) in the scene's dtype.
    """
    if scene.first_lattice is None and not ends_for_good(scene):
        return render(scene, pixels, progress)
    order, count = Order.of(scene, pixels), len(pixels)
    end = order.end_of_interpolation(first_outside)
    before = replace(scene, first_lattice=None)
    after = replace(before, amplitudes=replace(scene.amplitudes, interpolate=False))
    pieces, start = [], 0
    for pixel in [*sorted({order.first, end} - {None, count}), count]:  # type: ignore[type-var]
        assert pixel is not None
        if pixel > start:
            part = before if start <= end else after
            pieces.append(render(part, pixels.between(start, pixel), _shifted(progress, start, count)))
        if pixel < count:
            pieces.append(order.photons(pixel, end))
        start = pixel + 1
    return torch.cat(pieces) if pieces else torch.zeros(0, dtype=scene.dtype, device=scene.panel.origin.device)


def _shifted(progress: Progress | None, start: int, count: int) -> Progress | None:
    return None if progress is None else lambda done, _: progress(start + done, count)
