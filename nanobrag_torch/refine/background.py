"""Backgrounds of an image: given, or linear functions of pixels that are refined along, block by block."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from nanobrag_torch.given import tensor
from nanobrag_torch.validation import check_range, fail

#: Rings of a radial background.
RINGS = 12
#: Part of a background that a step leaves at least: it comes as near to nothing as it likes, and never below.
LEFT = 0.1


@dataclass(frozen=True)
class Background:
    """Background of n pixels: fixed, or coefficients (blocks, q) times functions of the pixels.

    Attributes:
        fixed: photons (n,).
        functions: functions (q, n) of the pixels; none of them (0, n) where nothing is refined.
        block: block (n,) of each pixel: pixels of one block share coefficients.
        blocks: number of blocks.
        curve: True where the functions share a pixel out among them, so that each coefficient is photons; else the
            first function is 1, and its coefficient the level of the block.
    """

    fixed: Tensor
    functions: Tensor
    block: Tensor
    blocks: int
    curve: bool = False

    @property
    def free(self) -> bool:
        """True where coefficients are refined."""
        return self.functions.shape[0] > 0

    def at(self, coefficients: Tensor) -> Tensor:
        """Photons (n,) for coefficients (blocks, q)."""
        if not self.free:
            return self.fixed
        return self.fixed + (coefficients[self.block].T * self.functions).sum(0)

    def moved(self, coefficients: Tensor, change: Tensor) -> Tensor:
        """Coefficients (blocks, q) after a change, of which a block makes as much as leaves photons in all its pixels.

        A curve has a part of each coefficient left, a plane a part of the photons of each pixel.
        """
        if not self.free:
            return coefficients
        if self.curve:
            return torch.maximum(coefficients + change, LEFT * coefficients)
        now, moves = self.at(coefficients), self.at(change) - self.fixed
        most = torch.where(moves < 0, (1 - LEFT) * now / -moves.clamp_max(-1e-300), torch.ones_like(now))
        part = torch.ones(self.blocks, dtype=now.dtype)
        part = part.scatter_reduce(0, self.block, most.clamp(0, 1), "amin")
        return coefficients + part[:, None] * change

    def start(self, photons: Tensor, signal: Tensor) -> Tensor:
        """Coefficients (blocks, q) of a flat background in each block: the least that signal leaves over."""
        q = self.functions.shape[0]
        rest = torch.zeros(self.blocks, dtype=torch.float64)
        if not self.free:
            return rest[:, None].expand(-1, q).clone()
        sums = [rest.clone().index_add(0, self.block, each) for each in (photons, signal, torch.ones_like(photons))]
        level = (
            ((sums[0] - sums[1]) / sums[2].clamp_min(1))
            .clamp_min(0.05 * sums[0] / sums[2].clamp_min(1))
            .clamp_min(1e-4)
        )
        flat = level[:, None].expand(-1, q).clone()
        if not self.curve:
            flat[:, 1:] = 0
        return flat


def given(value: Any, wanted: tuple[int, int], slow: Tensor, fast: Tensor) -> Background:
    """A fixed background: a number of photons, or an image (spixels, fpixels) of them.

    Raises ``ValueError`` for one that is negative, not finite or of another shape.
    """
    image = torch.as_tensor(tensor(value)).detach().cpu().to(torch.float64)
    if image.ndim == 0:
        check_range(
            "refine", "background", float(image), 0, unit="photons", remedy="Give what the crystal did not scatter."
        )
        image = image.expand(wanted)
    if tuple(image.shape) != wanted:
        raise fail("refine", "background.shape", tuple(image.shape), f"a number or {wanted}", "Slow axis first.")
    if not bool((torch.isfinite(image) & (image >= 0))[slow, fast].all()):
        raise fail("refine", "background", "an image", "finite and at least 0 in pixels that count", "Mask the others.")
    return _fixed(image[slow, fast])


def _fixed(photons: Tensor) -> Background:
    return Background(photons, photons.new_zeros((0, len(photons))), torch.zeros(len(photons), dtype=torch.long), 1)


def planes(boxes: Sequence[Sequence[int]], wanted: tuple[int, int], slow: Tensor, fast: Tensor) -> Background:
    """A plane for each shoebox; a pixel in several boxes belongs to the first of them.

    Args:
        boxes: first and last slow and fast index of each box (n, 4).
        wanted: shape of the image.
        slow: slow indices of the pixels, all of which are inside a box.
        fast: fast indices of the pixels.
    """
    label = torch.full(wanted, -1, dtype=torch.long)
    for number in reversed(range(len(boxes))):
        first_slow, last_slow, first_fast, last_fast = boxes[number]
        label[first_slow : last_slow + 1, first_fast : last_fast + 1] = number
    block = label[slow, fast]
    corners = torch.tensor([list(box) for box in boxes], dtype=torch.float64)[block]
    away = (
        (at - (corners[:, i] + corners[:, i + 1]) / 2) / (corners[:, i + 1] - corners[:, i]).clamp_min(1)
        for at, i in ((slow, 0), (fast, 2))
    )
    functions = torch.stack([torch.ones(len(slow), dtype=torch.float64), *away])
    return Background(torch.zeros(len(slow), dtype=torch.float64), functions, block, len(boxes))


def radial(radius: Tensor, rings: int = RINGS) -> Background:
    """A curve over the distance from the beam centre, linear between knots that hold equal numbers of pixels.

    Args:
        radius: distance (n,) of each pixel from the beam centre, or the sine of its angle.
        rings: number of intervals.
    """
    knots = torch.unique(torch.quantile(radius, torch.linspace(0, 1, rings + 1, dtype=torch.float64)))
    upper = torch.searchsorted(knots, radius).clamp(1, len(knots) - 1)
    part = ((radius - knots[upper - 1]) / (knots[upper] - knots[upper - 1])).clamp(0, 1)
    functions = torch.zeros((len(knots), len(radius)), dtype=torch.float64)
    pixels = torch.arange(len(radius))
    functions[upper - 1, pixels] = 1 - part
    functions[upper, pixels] += part
    return Background(
        torch.zeros(len(radius), dtype=torch.float64), functions, torch.zeros(len(radius), dtype=torch.long), 1, True
    )
