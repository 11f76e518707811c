"""Image and reverse pass whose sums over orientations are Triton kernels."""

from dataclasses import dataclass

from torch import Tensor

from nanobrag_torch.kernel.pixels import Pixels
from nanobrag_torch.kernel.tables import Tables
from nanobrag_torch.kernel.torch_engine.chunks import Chunks
from nanobrag_torch.kernel.torch_engine.engine import TorchTiles
from nanobrag_torch.kernel.torch_engine.orientations import OrientationSum
from nanobrag_torch.kernel.triton_engine.orientations import KernelSum
from nanobrag_torch.scene import Scene

#: Bytes that the reverse pass holds at its peak for one ray, whatever the number of orientations.
BYTES_PER_RAY = 640


@dataclass(frozen=True)
class TritonTiles(TorchTiles):
    """Tiles of torch operations in which kernels evaluate the samples; a tile has all orientations of its rays."""

    def _chunks(self, scene: Scene, pixels: Pixels) -> Chunks:
        rays = max(1, self.memory_budget // BYTES_PER_RAY)
        return Chunks.of_rays(scene, min(len(pixels), self.tile or len(pixels)), rays)

    def _orientations(self, scene: Scene, tables: Tables[Tensor], chunks: Chunks) -> OrientationSum:
        return KernelSum.of(scene, tables)
