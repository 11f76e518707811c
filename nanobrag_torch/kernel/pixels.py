"""Pixels to render: a window of the detector or chosen ones, without a list where they fill the window."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from nanobrag_torch.config import check_tensor

#: Called with (pixels done, pixels in all).
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Pixels:
    """Pixels of a window of the detector, row by row, or some of them.

    Attributes:
        shape: Pixels of the detector (slow, fast).
        corner: First pixel (slow, fast) of the window.
        window: Shape (slow, fast) of the window.
        chosen: Positions (n,) along the rows of the window; None for all of them.
        span: First and last number, of which the last is excluded; None for all.
    """

    shape: tuple[int, int]
    corner: tuple[int, int]
    window: tuple[int, int]
    chosen: np.ndarray | None = None
    span: tuple[int, int] | None = None

    def __len__(self) -> int:
        if self.span is not None:
            return self.span[1] - self.span[0]
        return self.window[0] * self.window[1] if self.chosen is None else len(self.chosen)

    def between(self, start: int, stop: int) -> "Pixels":
        """Part of them: the pixels number ``start`` to ``stop``, the last excluded."""
        begin = self.span[0] if self.span is not None else 0
        return replace(self, span=(begin + start, begin + stop))

    @property
    def grid(self) -> tuple[int, int, int]:
        """Corner (slow, fast) and width of the window, in which positions count."""
        return (*self.corner, self.window[1])

    def positions(self, start: int, stop: int) -> np.ndarray:
        """Positions of the pixels number ``start`` to ``stop`` along the rows of the window."""
        begin = self.span[0] if self.span is not None else 0
        if self.chosen is not None:
            return self.chosen[begin + start : begin + stop]
        return np.arange(begin + start, begin + stop)

    def lists(self, device: torch.device | None = None) -> tuple[Tensor, Tensor]:
        """Slow and fast indices (n,) of all pixels, made on the device: the host never waits for it."""
        begin = self.span[0] if self.span is not None else 0
        if self.chosen is None:
            positions = torch.arange(begin, begin + len(self), device=device)
        else:
            positions = torch.from_numpy(self.chosen[begin : begin + len(self)]).to(device, non_blocking=True)
        row = positions // self.window[1]
        return row + self.corner[0], positions - row * self.window[1] + self.corner[1]

    def kept(self, mask: Tensor) -> "Pixels":
        """Part of them: those where ``mask`` (of the detector's shape) is not zero. Raises ``ValueError`` for NaN."""
        (slow, fast), (rows, columns) = self.corner, self.window
        check_tensor("DetectorConfig", "mask_array", mask)
        inside = mask[slow : slow + rows, fast : fast + columns].cpu().numpy() != 0
        return Pixels(self.shape, self.corner, self.window, np.flatnonzero(inside))

    def image(self, values: Tensor) -> Tensor:
        """Image of the whole detector, with ``values`` (n,) at these pixels and zeros elsewhere."""
        (slow, fast), (rows, columns) = self.corner, self.window
        if self.chosen is not None:
            inside = torch.from_numpy(self.chosen).to(values.device)
            values = values.new_zeros(rows * columns).index_copy(0, inside, values)
        window = values.reshape(rows, columns)
        if self.window == self.shape:
            return window
        return pad(window, (fast, self.shape[1] - fast - columns, slow, self.shape[0] - slow - rows))
