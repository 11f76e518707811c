"""Order of pixels in squares, and the ranges that hold whole squares."""

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from nanobrag_torch.kernel.numba_engine.tiles import EDGE, squares_first, strips
from nanobrag_torch.kernel.pixels import Pixels


@settings(deadline=None, derandomize=True)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 3), st.booleans())
def test_every_pixel_comes_once(rows, width, above, some):
    positions = np.arange(above * width, (above + rows) * width)
    if some:
        positions = positions[::3][::-1].copy()
    order = squares_first(positions, width)
    assert sorted(order.tolist()) == list(range(len(positions)))


def test_blocks_of_a_window_are_squares():
    order = squares_first(np.arange(20 * 35), 35).reshape(-1)
    for start in range(0, 2 * 4 * EDGE**2, EDGE**2):
        row, column = np.divmod(order[start : start + EDGE**2], 35)
        assert np.ptp(row) == np.ptp(column) == EDGE - 1


def test_ranges_are_whole_rows_of_squares_and_cover_all_pixels():
    pixels = Pixels((100, 37), (2, 3), (90, 30))
    found = strips(pixels, 1000)
    assert found[0][0] == 0 and found[-1][1] == 2700 and len(found) > 3
    assert all(stop == start for (_, stop), (start, _) in pairwise(found))
    assert all(start % (EDGE * 30) == 0 for start, _ in found)
