"""Sub-pixels that count as small pixels of their own where lit samples alone are visited.

The samples of a block are then neighbours, however many a pixel has, and its box is as small as they lie close.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from nanobrag_torch.kernel.numba_engine import entries
from nanobrag_torch.kernel.numba_engine.records import LANES, Inputs, LitSamples, PanelInputs
from nanobrag_torch.kernel.numba_engine.tiles import squares_first
from nanobrag_torch.kernel.pixel_plan import PixelPlan
from nanobrag_torch.kernel.pixels import Pixels

#: Samples whose positions and photons are held at once by a thread, some 4 MB.
SAMPLES_AT_ONCE = 1 << 18


def divided(panel: PanelInputs, plan: PixelPlan) -> tuple[PanelInputs, PixelPlan]:
    """Panel and plan whose pixels are the sub-pixels, unless one of these decides a factor of the whole pixel."""
    n = plan.oversample
    if plan.omega_at >= 0 or plan.capture_at >= 0 or plan.polar_first != 0:
        return panel, plan
    return panel._replace(pixel_size=panel.pixel_size / n), plan._replace(oversample=1)


def divisions(inputs: Inputs) -> int:
    """Small pixels that ``pieces`` makes along each edge of a pixel."""
    return inputs.plan.oversample // divided(inputs.panel, inputs.plan)[1].oversample if _lit_alone(inputs) else 1


@dataclass(frozen=True)
class Piece:
    """Pixels that are evaluated by one call of a loop.

    Attributes:
        inputs: Tables of the scene for that call.
        positions: Positions of its pixels along the rows of their window, in the order of evaluation.
        grid: Corner (slow, fast) and width of that window.
        pixels: Numbers, within the range, of the pixels that these are, or that these are parts of.
        parts: Small pixels in a pixel.
        first: Position of the range's first pixel where the piece has all from there on in another order, else -1.
    """

    inputs: Inputs
    positions: np.ndarray
    grid: tuple[int, int, int]
    pixels: np.ndarray | slice
    parts: int = 1
    first: int = -1

    @property
    def is_whole(self) -> bool:
        """True where a loop can write photons to their places in the range by itself."""
        return self.first >= 0 or isinstance(self.pixels, slice)

    def spread(self, values: np.ndarray) -> np.ndarray:
        """From numbers (n,) of the range's pixels those of the piece's: a small pixel has its pixel's."""
        own = values[self.pixels]
        return np.ascontiguousarray(own) if self.parts == 1 else np.repeat(own, self.parts)

    def gather(self, found: np.ndarray, values: np.ndarray) -> None:
        """Write what was found for the piece's pixels into ``values`` (..., n) of the range's: of small ones, sums."""
        if self.parts > 1:
            found = found.reshape(*found.shape[:-1], -1, self.parts).sum(axis=-1, dtype=np.float64)
        values[..., self.pixels] = found


def pieces(inputs: Inputs, pixels: Pixels, start: int, stop: int) -> Iterator[Piece]:
    """The pixels number ``start`` to ``stop``, the last excluded, in pieces. Dark pixels may be missing."""
    positions = pixels.positions(start, stop)
    if not _lit_alone(inputs):
        yield Piece(inputs, positions, pixels.grid, slice(None))
        return
    (slow, fast, width), n = pixels.grid, divisions(inputs)
    order = squares_first(positions, width)
    if n == 1:
        if pixels.chosen is None:
            yield Piece(inputs, order + positions[0], pixels.grid, order, first=int(positions[0]))
        else:
            yield Piece(inputs, positions[order], pixels.grid, order)
        return
    lit = np.ones(len(order), dtype=np.int8)
    if not inputs.visits.has_background:
        entries.FIND_LIT_PIXELS(inputs, positions[order], pixels.grid, lit)
    order = order[lit != 0]
    panel, plan = divided(inputs.panel, inputs.plan)
    small, grid = inputs._replace(panel=panel, plan=plan), (slow * n, fast * n, width * n)
    offsets = np.add.outer(np.arange(n) * (width * n), np.arange(n)).ravel()
    at_once = max(1, SAMPLES_AT_ONCE // (n * n * LANES)) * LANES
    for first in range(0, len(order), at_once):
        own = order[first : first + at_once]
        row, column = np.divmod(positions[own], width)
        corners = row * (n * n * width) + column * n
        yield Piece(small, np.add.outer(corners, offsets).ravel(), grid, own, n * n)


def _lit_alone(inputs: Inputs) -> bool:
    return isinstance(inputs.visits, LitSamples)
