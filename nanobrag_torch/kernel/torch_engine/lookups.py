"""Squared structure factors of many samples, their slopes against the indices, and the cotangents of the table.

One record for each way to look an amplitude up. ``address`` makes the ``Address`` of indices (3, ...) and their nearest
integers that the other methods need; ``squares`` gives F^2 (...), ``square_slopes`` also its slopes (3, ...) or None
where it has none, and ``return_squares`` adds cotangents (...) of F^2 to those of the flat table and of the amplitude
outside (1,). Addresses lie in the table always.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from nanobrag_torch.physics.structure_factor import NODES, lagrange_slopes, lagrange_weights, window
from nanobrag_torch.scene import Scene

Triple = tuple[int, int, int]


class Lookup(Protocol):
    """Look-up of structure factors."""

    def address(self, index: Tensor, whole: Tensor) -> "Address": ...
    def squares(self, address: "Address") -> Tensor: ...
    def square_slopes(self, address: "Address") -> tuple[Tensor, Tensor | None]: ...
    def return_squares(self, address: "Address", bar: Tensor, table: Tensor, default: Tensor) -> None: ...


class Address(NamedTuple):
    """Places of samples in a table; all but ``entry`` are empty unless the table is interpolated.

    Attributes:
        entry: Entry (...) of the flat table at the nearest integers.
        within: (...), True if that lies in the table.
        inside: (...), True if all nodes of the interpolation lie in the table.
        corner: Entry (...) of the first node.
        between: Positions (3, ...) between nodes 0 and 1.
    """

    entry: Tensor
    within: Tensor
    inside: Tensor
    corner: Tensor
    between: Tensor


def lookup_of(scene: Scene, table: Tensor, default: Tensor) -> Lookup:
    """Make the look-up of a scene from its ``Tables.lookup`` and ``Tables.default``, in the scene's precision."""
    amplitudes, flat = scene.amplitudes, table.to(scene.dtype)
    if amplitudes.table is None:
        return Constant(flat)
    low, (m, n, p) = amplitudes.minimum, amplitudes.table.shape
    if not amplitudes.interpolate:
        return Nearest(flat, low, (m, n, p))
    return Tricubic(flat, default.to(scene.dtype), low, (m, n, p), amplitudes.margin)


@dataclass(frozen=True)
class Constant:
    """Constant F^2, a table of one element."""

    square: Tensor

    def address(self, index: Tensor, whole: Tensor) -> Address:
        nothing = index[:0]
        return Address(*[nothing] * 5)

    def squares(self, address: Address) -> Tensor:
        return self.square[0]

    def square_slopes(self, address: Address) -> tuple[Tensor, Tensor | None]:
        return self.square[0], None

    def return_squares(self, address: Address, bar: Tensor, table: Tensor, default: Tensor) -> None:
        table += bar.sum(dtype=table.dtype)


@dataclass(frozen=True)
class Nearest:
    """F^2 at the nearest integers: the flat table with one more entry on every side, the square of ``default_F``."""

    square: Tensor
    low: Triple
    size: Triple

    def address(self, index: Tensor, whole: Tensor) -> Address:
        h, k, l = ((n - (low - 1)).clamp_(0, size + 1) for n, low, size in zip(whole, self.low, self.size, strict=True))
        entry = h.mul_(self.size[1] + 2).add_(k).mul_(self.size[2] + 2).add_(l).long()
        # A NaN is no whole number.
        return Address(entry.clamp_(0, len(self.square) - 1), *[index[:0]] * 4)

    def squares(self, address: Address) -> Tensor:
        return _entries(self.square, address.entry)

    def square_slopes(self, address: Address) -> tuple[Tensor, Tensor | None]:
        return self.squares(address), None

    def return_squares(self, address: Address, bar: Tensor, table: Tensor, default: Tensor) -> None:
        _add_at(table, address.entry, bar)


@dataclass(frozen=True)
class Tricubic:
    """F interpolated within the flat table; the nearest where the nodes leave it, and ``default`` (1,) outside."""

    amplitude: Tensor
    default: Tensor
    low: Triple
    size: Triple
    margin: int = 1

    def address(self, index: Tensor, whole: Tensor) -> Address:
        inside = torch.ones_like(index[0], dtype=torch.bool)
        within = torch.ones_like(inside)
        for x, first, last in zip(index, *window(self.low, self.size, self.margin), strict=True):
            inside &= (x >= first) & (x <= last)
        for n, low, size in zip(whole, self.low, self.size, strict=True):
            within &= (n >= low) & (n < low + size)
        floor = torch.floor(index)
        for x, low, size in zip(floor, self.low, self.size, strict=True):
            x.clamp_(max=low + size - NODES + 1)
        return Address(
            entry=torch.where(within, self._flat(whole, 0), 0.0).long(),
            within=within,
            inside=inside,
            corner=torch.where(inside, self._flat(floor, -1), 0.0).long(),
            between=(index - floor).to(self.amplitude.dtype),
        )

    def squares(self, address: Address) -> Tensor:
        amplitude, _ = self._interpolate(address, slopes=False)
        return amplitude.square_()

    def square_slopes(self, address: Address) -> tuple[Tensor, Tensor | None]:
        amplitude, slopes = self._interpolate(address, slopes=True)
        return amplitude.square(), slopes.mul_(2 * amplitude)

    def return_squares(self, address: Address, bar: Tensor, table: Tensor, default: Tensor) -> None:
        amplitude, _ = self._interpolate(address, slopes=False)
        bar = amplitude.mul_(2 * bar)
        _add_at(table, address.entry, torch.where(address.within & ~address.inside, bar, 0.0))
        default += torch.where(address.within, 0.0, bar).sum(dtype=default.dtype)
        weights = lagrange_weights(address.between, dim=0)
        bar = torch.where(address.inside, bar, 0.0)
        for m in self._layers:
            across = bar * weights[m, 0] * weights[:, 1]
            _add_at(table, self._nodes(address, m), across[:, None] * weights[None, :, 2])

    @property
    def _layers(self) -> range:
        """Nodes along h: none where the table has too few entries for any sample to lie inside."""
        return range(NODES if min(self.size) >= NODES else 0)

    def _flat(self, n: Tensor, shift: int) -> Tensor:
        h, k, l = (x - (low - shift) for x, low in zip(n, self.low, strict=True))
        entry: Tensor = (h * self.size[1] + k) * self.size[2] + l
        return entry

    def _nodes(self, address: Address, m: int) -> Tensor:
        """Entries (4, 4, ...) of the nodes whose first index is that of node ``m``; some in the table where outside."""
        step_h, step_k = self.size[1] * self.size[2], self.size[2]
        steps = torch.arange(4, device=address.corner.device)
        grid = (steps[:, None] * step_k + steps + m * step_h).reshape(4, 4, *[1] * address.corner.dim())
        return address.corner + grid

    def _interpolate(self, address: Address, slopes: bool) -> tuple[Tensor, Tensor]:
        """F (...) and, where asked, its slopes (3, ...) against the indices."""
        weights = lagrange_weights(address.between, dim=0)
        steep = lagrange_slopes(address.between, dim=0) if slopes else weights
        total = torch.zeros_like(address.between[0])
        slope = torch.zeros_like(address.between)
        for m in self._layers:
            nodes = _entries(self.amplitude, self._nodes(address, m))
            line = _weighed(nodes.unbind(1), weights[:, 2])
            across = _weighed(line, weights[:, 1])
            total.addcmul_(across, weights[m, 0])
            if slopes:
                steep_line = _weighed(nodes.unbind(1), steep[:, 2])
                slope[0].addcmul_(across, steep[m, 0])
                slope[1].addcmul_(_weighed(line, steep[:, 1]), weights[m, 0])
                slope[2].addcmul_(_weighed(steep_line, weights[:, 1]), weights[m, 0])
        near = torch.where(address.within, _entries(self.amplitude, address.entry), self.default)
        amplitude = torch.where(address.inside, total, near)
        return amplitude, slope.mul_(address.inside)


def _weighed(values: Iterable[Tensor], weights: Tensor) -> Tensor:
    """Sum of ``values`` times ``weights``."""
    first, *others = zip(values, weights, strict=True)
    total: Tensor = first[0] * first[1]
    for value, weight in others:
        total.addcmul_(value, weight)
    return total


def _entries(flat: Tensor, entry: Tensor) -> Tensor:
    return flat.index_select(0, entry.reshape(-1)).reshape(entry.shape)


def _add_at(table: Tensor, entry: Tensor, values: Tensor) -> None:
    """Add ``values`` to the flat ``table`` at their entries, in the table's precision."""
    table.scatter_add_(0, entry.reshape(-1), values.reshape(-1).to(table.dtype))
