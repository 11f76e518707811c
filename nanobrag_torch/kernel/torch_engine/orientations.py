"""Sum of F^2 S^2 of rays over all orientations of the crystal, and its reverse pass."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from nanobrag_torch.kernel.tables import Tables, WantedTables, least_square
from nanobrag_torch.kernel.torch_engine import shapes
from nanobrag_torch.kernel.torch_engine.chunks import parts
from nanobrag_torch.kernel.torch_engine.lookups import Lookup, lookup_of
from nanobrag_torch.scene import Scene


class OrientationSum(Protocol):
    """Sum of F^2 S^2 over the orientations of a crystal, in float64, and its reverse pass."""

    def sums(self, q: Tensor) -> Tensor:
        """Sums (R,) at scattering vectors ``q`` (3, R), 1/m."""

    def pull_back(self, q: Tensor, bar: Tensor, wanted: WantedTables, bars: Tables[Tensor]) -> tuple[Tensor, Tensor]:
        """Reverse pass of ``sums``: add to the cotangents of vectors, shape and table of structure factors.

        Args:
            q: Scattering vectors (3, R), 1/m.
            bar: Cotangents (R,) of the sums.
            wanted: Tables whose cotangents are wanted.
            bars: Cotangents of the tables, which are added to.

        Returns:
            The sums (R,) again and the cotangents (3, R) of ``q``, both zero where rays are not wanted.
        """


@dataclass(frozen=True)
class Orientations:
    """Orientations, shape and structure factors of the crystal, evaluated by torch operations.

    Attributes:
        vectors: Direct vectors (3, O, 3) in metres: a, b, c by orientation by x, y, z.
        shape: Name of the shape, a key of ``shapes.SQUARES``.
        parameters: Parameters of the shape, in the precision of all that follows the remainders.
        lookup: Look-up of structure factors.
        chunk: Orientations evaluated at once.
        least: S^2 (0-d) below which a sample counts as zero; None where all count.
    """

    vectors: Tensor
    shape: str
    parameters: Tensor
    lookup: Lookup
    chunk: int
    least: Tensor | None

    @classmethod
    def of(cls, scene: Scene, tables: Tables[Tensor], chunk: int) -> "Orientations":
        """Take them from the tables of a scene."""
        vectors = tables.vectors.detach().reshape(-1, 3, 3).transpose(0, 1).contiguous()
        parameters = tables.shape.detach().to(scene.dtype)
        lookup = lookup_of(scene, tables.lookup.detach(), tables.default.detach())
        return cls(vectors, scene.lattice.shape, parameters, lookup, chunk, least_square(scene.lattice, tables.shape))

    def _evaluations(self, q: Tensor) -> Iterator[tuple[slice, Tensor, Tensor, Tensor]]:
        """Chunks of orientations: indices (3, O, R), the nearest integers (halves go down), and remainders."""
        for part in parts(self.vectors.shape[1], self.chunk):
            index = miller_indices(self.vectors[:, part], q)
            whole = torch.ceil(index - 0.5)
            yield part, index, whole, (index - whole).to(self.parameters.dtype)

    def sums(self, q: Tensor) -> Tensor:
        """Sums (R,) of F^2 S^2 at ``q`` (3, R), in float64."""
        total = torch.zeros_like(q[0])
        for _, index, whole, delta in self._evaluations(q):
            squares = shapes.SQUARES[self.shape](self.parameters, delta)
            if self.least is not None:
                squares.masked_fill_(squares < self.least, 0.0)
            squares *= self.lookup.squares(self.lookup.address(index, whole))
            total += squares.sum(0)
        return total

    def pull_back(self, q: Tensor, bar: Tensor, wanted: WantedTables, bars: Tables[Tensor]) -> tuple[Tensor, Tensor]:
        """As ``OrientationSum`` says.

        Sums over rays are float64: a product of float32 matrices would lose digits, on some devices all but three.
        """
        total, bar_q = torch.zeros_like(q[0]), torch.zeros_like(q)
        bar = bar.to(self.parameters.dtype)
        lookup = self.lookup
        for part, index, whole, delta in self._evaluations(q):
            squares, slopes = shapes.SQUARE_SLOPES[self.shape](self.parameters, delta)
            if self.least is not None:
                dark = squares < self.least
                squares.masked_fill_(dark, 0.0)
            address = lookup.address(index, whole)
            cell, steep = lookup.square_slopes(address)
            if wanted.rays:
                total += (cell * squares).sum(0)
            if wanted.lookup:
                lookup.return_squares(address, bar * squares, bars.lookup, bars.default)
            weight = bar * cell
            if self.least is not None:
                weight = torch.where(dark, 0.0, weight)
            if wanted.shape:
                found = shapes.PARAMETER_SLOPES[self.shape](self.parameters, delta)
                for number, slope in enumerate(found):
                    bars.shape[number] += (slope * weight).sum(dtype=torch.float64)
            if not (wanted.rays or wanted.vectors):
                continue
            slopes *= weight
            if steep is not None:
                slopes += steep.mul_(bar * squares)
            bar_index = slopes.to(torch.float64)
            if wanted.vectors:
                bars.vectors.reshape(-1, 3, 3)[part] += torch.matmul(bar_index, q.T).transpose(0, 1)
            if wanted.rays:
                bar_q += torch.matmul(self.vectors[:, part].transpose(1, 2), bar_index).sum(0)
        return total, bar_q


def miller_indices(vectors: Tensor, q: Tensor) -> Tensor:
    """Real Miller indices (3, O, R) at ``q`` (3, R), by the operations of ``physics.scattering`` in their order."""
    x, y, z = vectors[..., None].unbind(2)
    index = x * q[0]
    index += y * q[1]
    index += z * q[2]
    return index
