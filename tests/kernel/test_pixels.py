import numpy as np
import pytest
import torch

from nanobrag_torch.kernel.panels import drawn
from nanobrag_torch.kernel.pixels import Pixels

#: A window of 3 rows and 4 columns on a detector of 6 by 7, and the same with four pixels kept by a mask.
WINDOW = Pixels((6, 7), (2, 1), (3, 4))
MASK = torch.zeros(6, 7)
MASK[2, 1] = MASK[3, 4] = MASK[4, 2] = MASK[4, 3] = 1.0
MASK[0, 0] = MASK[5, 6] = 1.0
KEPT = WINDOW.kept(MASK)


def pairs(pixels: Pixels) -> list[tuple[int, int]]:
    slow, fast = pixels.lists()
    return list(zip(slow.tolist(), fast.tolist(), strict=True))


def test_a_window_is_listed_row_by_row():
    assert pairs(WINDOW) == [(slow, fast) for slow in (2, 3, 4) for fast in (1, 2, 3, 4)]
    assert len(WINDOW) == 12


def test_a_mask_keeps_what_is_not_zero_within_the_window():
    assert pairs(KEPT) == [(2, 1), (3, 4), (4, 2), (4, 3)]


@pytest.mark.parametrize("pixels", [WINDOW, KEPT, WINDOW.between(2, 11), KEPT.between(1, 4)])
def test_a_part_is_the_slice_of_the_list(pixels):
    whole = pairs(pixels)
    assert len(whole) == len(pixels)
    for start in range(len(whole)):
        for stop in range(start, len(whole) + 1):
            assert pairs(pixels.between(start, stop)) == whole[start:stop]


@pytest.mark.parametrize("pixels", [WINDOW, KEPT, Pixels((6, 7), (0, 0), (6, 7))])
def test_values_come_back_to_their_pixels_with_their_gradients(pixels):
    values = torch.arange(1.0, len(pixels) + 1, dtype=torch.float64, requires_grad=True)
    image = pixels.image(values)
    assert image.shape == (6, 7)
    assert int((image != 0).sum()) == len(pixels)
    assert [image[place].item() for place in pairs(pixels)] == values.tolist()
    weights = torch.arange(42.0, dtype=torch.float64).reshape(6, 7)
    (image * weights).sum().backward()
    assert values.grad.tolist() == [weights[place].item() for place in pairs(pixels)]


@pytest.mark.parametrize("pixels", [WINDOW, KEPT])
def test_drawn_pixels_are_different_ones_of_the_same_set(pixels):
    torch.manual_seed(5)
    (part,), order = drawn([pixels], 3)
    assert len(set(pairs(part))) == 3
    assert set(pairs(part)) < set(pairs(pixels))
    assert isinstance(part.chosen, np.ndarray)
    assert sorted(order.tolist()) == [0, 1, 2]
