"""Order of pixels in which neighbours on the detector share a block: squares of pixels in place of pieces of a row."""

import math
from functools import lru_cache

import numpy as np

from nanobrag_torch.kernel.numba_engine.records import LANES, PART
from nanobrag_torch.kernel.numba_engine.threads import (
    FEWEST_SAMPLES,
    RANGES_AT_LEAST,
    RANGES_PER_IMAGE,
    Range,
)
from nanobrag_torch.kernel.pixels import Pixels

#: Pixels along an edge of a square, and of the smaller squares that it is made of.
EDGE = math.isqrt(LANES)
SMALL = math.isqrt(PART)
#: Samples in a range that make handing it to a thread cost nothing, and that an interrupt can wait for; most are dark.
ENOUGH_SAMPLES, MOST_SAMPLES = 1 << 17, 1 << 28


def strips(pixels: Pixels, samples_per_pixel: int) -> list[Range]:
    """Divide pixels into ranges of whole rows of squares, where they fill a window."""
    row, total = EDGE * pixels.window[1], len(pixels)
    every = total * samples_per_pixel
    least = min(max(every // RANGES_AT_LEAST, FEWEST_SAMPLES), ENOUGH_SAMPLES)
    samples = min(max(every // RANGES_PER_IMAGE, least), MOST_SAMPLES)
    step = max(1, samples // (samples_per_pixel * row)) * row
    return [(start, min(start + step, total)) for start in range(0, total, step)]


def squares_first(positions: np.ndarray, width: int) -> np.ndarray:
    """Order (n,) of pixels at ``positions`` along the rows of a window of a ``width``, square by square of squares."""
    count = len(positions)
    rows = count // width
    if count == rows * width and positions[0] % width == 0 and positions[-1] - positions[0] == count - 1:
        return _whole_rows(rows, width)
    row, column = np.divmod(positions, width)
    return np.lexsort((column, row, column // SMALL, row // SMALL, column // EDGE, row // EDGE))


@lru_cache(maxsize=4)
def _whole_rows(rows: int, width: int) -> np.ndarray:
    """Full squares, then what is left at the right, row by row, and at the bottom, column by column.

    Nearly all ranges of an image have one number of rows.
    """
    numbers = np.arange(rows * width).reshape(rows, width)
    down, right = rows - rows % EDGE, width - width % EDGE
    inner = EDGE // SMALL
    squares = numbers[:down, :right].reshape(down // EDGE, inner, SMALL, right // EDGE, inner, SMALL)
    order = np.concatenate(
        [squares.transpose(0, 3, 1, 4, 2, 5).ravel(), numbers[:down, right:].ravel(), numbers[down:].T.ravel()]
    )
    order.setflags(write=False)
    return order
