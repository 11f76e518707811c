"""Sum of F^2 S^2 over the orientations of a crystal, and its reverse pass, by the kernels of ``kernels.py``."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
import triton
from torch import Tensor

from nanobrag_torch.kernel.tables import Tables, WantedTables, least_square
from nanobrag_torch.kernel.torch_engine.chunks import lookup_kind
from nanobrag_torch.kernel.triton_engine import kernels
from nanobrag_torch.scene import Amplitudes, Scene

#: Rays of a program, and its warps.
BLOCK, WARPS = 128, 4
#: Programs that keep a GPU busy: where there are too few rays, several share the orientations, and the reverse.
PROGRAMS = 4096
#: Programs of a launch along its second axis, at most.
MOST_PARTS = 65535
#: A multiply-add rounds once where the kernels say so, and nowhere else.
OPTIONS: dict[str, Any] = {"num_warps": WARPS, "enable_fp_fusion": False}


@dataclass(frozen=True)
class KernelSum:
    """Orientations, shape and structure factors of the crystal, evaluated by Triton.

    Attributes:
        vectors: Direct vectors (O, 9) in metres, as in ``Tables``.
        shape: Name of the shape, as ``shapes.interference`` knows it.
        parameters: Parameters of the shape, in the precision of all that follows the remainders.
        least: S^2 (1,) below which a sample counts as zero; None where all count.
        lookup: Kind of the look-up, as ``lookups.square_slopes`` knows it.
        table: What it reads, in that precision.
        default: Amplitude (1,) outside the table where it is interpolated.
        grid: Place and size of the table, as ``lookups`` wants them.
    """

    vectors: Tensor
    shape: str
    parameters: Tensor
    least: Tensor | None
    lookup: str
    table: Tensor
    default: Tensor
    grid: Tensor

    @classmethod
    def of(cls, scene: Scene, tables: Tables[Tensor]) -> "KernelSum":
        """Take them from the tables of a scene."""

        def own(values: Tensor) -> Tensor:
            return values.detach().to(scene.dtype).contiguous()

        least = least_square(scene.lattice, tables.shape)
        return cls(
            vectors=tables.vectors.detach().contiguous(),
            shape=scene.lattice.shape,
            parameters=own(tables.shape),
            least=None if least is None else own(least.reshape(1)),
            lookup=lookup_kind(scene),
            table=own(tables.lookup),
            default=own(tables.default),
            grid=_grid(scene.amplitudes, tables.vectors.device),
        )

    def sums(self, q: Tensor) -> Tensor:
        """As ``torch_engine.orientations.OrientationSum`` says."""
        sums = self._by_rays(kernels.sum_orientations, q, 1)
        return sums[0, 0] if len(sums) == 1 else sums[:, 0].sum(0)

    def pull_back(self, q: Tensor, bar: Tensor, wanted: WantedTables, bars: Tables[Tensor]) -> tuple[Tensor, Tensor]:
        """As ``torch_engine.orientations.OrientationSum`` says."""
        if wanted.vectors or wanted.shape or wanted.lookup:
            self._pull_back_crystal(q, bar, wanted, bars)
        if not wanted.rays:
            return torch.zeros_like(q[0]), torch.zeros_like(q)
        sums = self._by_rays(kernels.pull_back_rays, q, 4).sum(0)
        return sums[0], sums[1:] * bar

    def _by_rays(self, kernel: Any, q: Tensor, rows: int) -> Tensor:
        """Sums (parts, rows, R) that a kernel whose programs have rays of their own writes."""
        rays, orientations = q.shape[1], len(self.vectors)
        blocks = triton.cdiv(rays, BLOCK)
        parts, at_once = _split(orientations, blocks)
        sums = q.new_empty((parts, rows, rays))
        with _device(q):
            kernel[blocks, parts](
                q.contiguous(), rays, self.vectors, orientations, at_once, *self._crystal(), sums, **self._kind()
            )
        return sums

    def _pull_back_crystal(self, q: Tensor, bar: Tensor, wanted: WantedTables, bars: Tables[Tensor]) -> None:
        rays, orientations = q.shape[1], len(self.vectors)
        parts, blocks = _split(triton.cdiv(rays, BLOCK), orientations)
        sums = q.new_empty((parts, orientations, kernels.CRYSTAL_SUMS))
        with _device(q):
            kernels.pull_back_crystal[orientations, parts](
                q.contiguous(), bar.contiguous(), rays, self.vectors, orientations, blocks * BLOCK, *self._crystal(),
                sums, bars.lookup, bars.default, RETURN=wanted.lookup, **self._kind(),
            )  # fmt: skip
        total = sums.sum(0)
        if wanted.vectors:
            bars.vectors.add_(total[:, : kernels.VECTOR_SUMS])
        if wanted.shape:
            bars.shape.add_(total[:, kernels.VECTOR_SUMS :].sum(0)[: len(bars.shape)])
        if wanted.lookup and self.lookup == "constant":
            bars.lookup.add_(total[:, -1].sum())

    def _crystal(self) -> tuple[Tensor, ...]:
        least = self.parameters if self.least is None else self.least
        return self.parameters, least, self.table, self.default, self.grid

    def _kind(self) -> dict[str, Any]:
        kind = {"SHAPE": self.shape, "LOOKUP": self.lookup, "CUT": self.least is not None, "BLOCK": BLOCK}
        return kind | OPTIONS


def _grid(amplitudes: Amplitudes, device: torch.device) -> Tensor:
    size = (0, 0, 0) if amplitudes.table is None else tuple(amplitudes.table.shape)
    return torch.tensor([*amplitudes.minimum, *size, amplitudes.margin], dtype=torch.float64, device=device)


def _device(like: Tensor) -> AbstractContextManager[Any]:
    """Make a tensor's GPU that of the kernels; interpreted ones need none."""
    return torch.cuda.device(like.device) if like.is_cuda else nullcontext()


def _split(turns: int, programs: int) -> tuple[int, int]:
    """Parts of a loop of so many ``turns`` that so many ``programs`` make, and the turns of each part."""
    parts = max(1, min(turns, PROGRAMS // programs, MOST_PARTS))
    at_once = triton.cdiv(turns, parts)
    return triton.cdiv(turns, at_once), at_once
