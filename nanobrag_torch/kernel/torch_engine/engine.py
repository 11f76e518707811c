"""Image and reverse pass in tiles of torch operations, on any device."""

from dataclasses import dataclass

import torch
from torch import Tensor

from nanobrag_torch.kernel import tables as at
from nanobrag_torch.kernel.differentiable import cotangent_unit
from nanobrag_torch.kernel.memory import MEMORY_BUDGET
from nanobrag_torch.kernel.pixel_plan import PixelPlan
from nanobrag_torch.kernel.pixels import Pixels, Progress
from nanobrag_torch.kernel.tables import Tables, WantedTables
from nanobrag_torch.kernel.torch_engine import image as forward
from nanobrag_torch.kernel.torch_engine import reverse
from nanobrag_torch.kernel.torch_engine.chunks import Chunks
from nanobrag_torch.kernel.torch_engine.orientations import Orientations, OrientationSum
from nanobrag_torch.kernel.torch_engine.rays import Instrument
from nanobrag_torch.scene import Scene

#: Less than the largest array that glibc may keep. One made of fresh pages takes three times as long to fill.
KEPT_BYTES = 16 << 20


@dataclass(frozen=True)
class TorchTiles:
    """Image and reverse pass by tiles of torch operations, as ``differentiable.Engine`` asks for them.

    A tile, with what its gradient takes, holds ``memory_budget`` bytes, and at most ``tile`` pixels where given.
    """

    memory_budget: int = MEMORY_BUDGET
    tile: int | None = None

    def image(self, scene: Scene, pixels: Pixels, progress: Progress | None = None) -> Tensor:
        """Photons (n,), outside any graph."""
        device, chunks = scene.panel.origin.device, self._chunks(scene, pixels)
        with torch.no_grad():
            instrument, orientations = self._inputs(scene, at.tables(scene), chunks)
            values = torch.empty(len(pixels), dtype=scene.dtype, device=device)
            for start in range(0, len(pixels), chunks.pixels):
                stop = min(start + chunks.pixels, len(pixels))
                slow, fast = pixels.between(start, stop).lists(device)
                values[start:stop] = forward.photons(instrument, orientations, slow, fast, chunks)
                if progress is not None:
                    progress(stop, len(pixels))
        return values

    def pull_back(self, scene: Scene, tables: Tables[Tensor], pixels: Pixels, cotangent: Tensor) -> list[Tensor]:
        """Cotangents of the tables for those, ``cotangent`` (n,), of the photons."""
        device, chunks = cotangent.device, self._chunks(scene, pixels)
        with torch.no_grad():
            unit = cotangent_unit(cotangent)
            instrument, orientations = self._inputs(scene, tables, chunks)
            wanted = WantedTables.of(tables)
            sizes = [table.shape if asked else (0,) for asked, table in zip(wanted.by_table(), tables, strict=True)]
            bars = Tables(*(torch.zeros(size, dtype=torch.float64, device=device) for size in sizes))
            for start in _tiles_with_cotangents(cotangent, chunks.pixels):
                stop = min(start + chunks.pixels, len(pixels))
                slow, fast = pixels.between(start, stop).lists(device)
                bar = cotangent[start:stop].to(torch.float64) / unit
                reverse.pull_back(instrument, orientations, slow, fast, bar, wanted, bars, chunks)
            return [unit * bar for bar in bars]

    def _chunks(self, scene: Scene, pixels: Pixels) -> Chunks:
        return Chunks.of(scene, len(pixels), self.memory_budget, self.tile)

    def _orientations(self, scene: Scene, tables: Tables[Tensor], chunks: Chunks) -> OrientationSum:
        return Orientations.of(scene, tables, chunks.orientations)

    def _inputs(self, scene: Scene, tables: Tables[Tensor], chunks: Chunks) -> tuple[Instrument, OrientationSum]:
        if scene.panel.origin.device.type == "cpu":
            # Never written to: having taken back one array of this size, the C library keeps memory for the next.
            torch.empty(KEPT_BYTES, dtype=torch.uint8)
        instrument = Instrument(tables.panel.detach(), tables.sources.detach(), PixelPlan.of(scene))
        return instrument, self._orientations(scene, tables, chunks)


def _tiles_with_cotangents(cotangent: Tensor, tile: int) -> list[int]:
    """First pixels of the tiles that have a cotangent: the one moment when the host waits for the device."""
    padded = torch.nn.functional.pad(cotangent, (0, -len(cotangent) % tile))
    alive = (padded != 0).reshape(-1, tile).any(1)
    first: list[int] = (torch.nonzero(alive)[:, 0] * tile).tolist()
    return first
