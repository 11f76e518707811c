"""Slabs of a raw image: rectangles that hold one panel each, and the image assembled of them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, cat


@dataclass(frozen=True)
class Slab:
    """Rectangle of a raw image: first pixel and size along fast and slow, in pixels."""

    fast: int
    slow: int
    width: int
    height: int

    def of(self, image: Tensor) -> Tensor:
        """Part of an image (..., slow, fast) that the slab holds: a view."""
        return image[..., self.slow : self.slow + self.height, self.fast : self.fast + self.width]


def within(slabs: Sequence[Slab], rows: tuple[int, int], columns: tuple[int, int]) -> list[Slab]:
    """Parts of slabs in a window of the raw image, (first, last) included, counted from its first pixel.

    Slabs that lie outside it are left out.
    """
    found = []
    for slab in slabs:
        slow, end_slow = max(slab.slow, rows[0]), min(slab.slow + slab.height, rows[1] + 1)
        fast, end_fast = max(slab.fast, columns[0]), min(slab.fast + slab.width, columns[1] + 1)
        if slow < end_slow and fast < end_fast:
            found.append(Slab(fast - columns[0], slow - rows[0], end_fast - fast, end_slow - slow))
    return found


def stacked(shapes: Sequence[tuple[int, int]]) -> list[Slab]:
    """Slabs of panels of ``shapes`` (slow, fast), one below the other along slow."""
    slabs, slow = [], 0
    for height, width in shapes:
        slabs.append(Slab(0, slow, width, height))
        slow += height
    return slabs


def shape_of(slabs: Sequence[Slab]) -> tuple[int, int]:
    """Shape (slow, fast) of the raw image from its first pixel to the last one of any slab."""
    return max(slab.slow + slab.height for slab in slabs), max(slab.fast + slab.width for slab in slabs)


def bands(slabs: Sequence[Slab]) -> list[tuple[int, int, list[int]]]:
    """Rows (first, last excluded) of the raw image in which the same slabs lie, and these from left to right."""
    edges = sorted({0, *(slab.slow for slab in slabs), *(slab.slow + slab.height for slab in slabs)})
    starting: dict[int, list[int]] = {}
    for number, slab in enumerate(slabs):
        starting.setdefault(slab.slow, []).append(number)
    open_now: list[int] = []
    found = []
    for first, last in pairwise(edges):
        open_now = [number for number in open_now if slabs[number].slow + slabs[number].height > first]
        open_now = sorted([*open_now, *starting.get(first, [])], key=lambda number: slabs[number].fast)
        found.append((first, last, list(open_now)))
    return found


def held(slabs: Sequence[Slab], shape: tuple[int, ...]) -> np.ndarray:
    """True in the pixels (slow, fast) of an image of that shape that a slab holds."""
    found = np.zeros(shape, bool)
    for slab in slabs:
        found[slab.slow : slab.slow + slab.height, slab.fast : slab.fast + slab.width] = True
    return found


def first_overlap(slabs: Sequence[Slab]) -> tuple[int, int] | None:
    """Numbers of two slabs that share a pixel, or None."""
    for _, _, numbers in bands(slabs):
        for one, other in pairwise(numbers):
            if slabs[one].fast + slabs[one].width > slabs[other].fast:
                return one, other
    return None


def assembled(images: Iterable[Tensor], slabs: Sequence[Slab]) -> Tensor:
    """Raw image (..., slow, fast) of the ``images`` (..., slow, fast) of slabs that do not overlap; zeros elsewhere.

    Images without a gradient may come one after the other: none is held once it is in its place.
    """
    shape, coming, whole = shape_of(slabs), iter(images), None
    transformed = torch._C._functorch.peek_interpreter_stack() is not None
    for number, image in enumerate(coming):
        if transformed or image.requires_grad:  # assignment into one image would copy its gradient for every slab
            before: list[Tensor] = [slab.of(whole) for slab in slabs[:number]] if whole is not None else []
            return _joined([*before, image, *coming], slabs)
        if image.shape[-2:] == shape:
            return image
        whole = image.new_zeros((*image.shape[:-2], *shape)) if whole is None else whole
        slabs[number].of(whole).copy_(image)
    assert whole is not None
    return whole


def _joined(images: Sequence[Tensor], slabs: Sequence[Slab]) -> Tensor:
    """The same with one operation for each band, and with gradients."""
    if len(images) == 1 and shape_of(slabs) == images[0].shape[-2:]:
        return images[0]
    width, leading, zeros = shape_of(slabs)[1], images[0].shape[:-2], images[0].new_zeros
    rows = []
    for first, last, numbers in bands(slabs):
        pieces, end = [], 0
        for number in numbers:
            slab = slabs[number]
            if slab.fast > end:
                pieces.append(zeros((*leading, last - first, slab.fast - end)))
            pieces.append(images[number][..., first - slab.slow : last - slab.slow, :])
            end = slab.fast + slab.width
        if end < width:
            pieces.append(zeros((*leading, last - first, width - end)))
        rows.append(cat(pieces, -1) if len(pieces) > 1 else pieces[0])
    return cat(rows, -2) if len(rows) > 1 else rows[0]
