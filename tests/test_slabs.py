"""Slabs of a raw image against numpy's assignment, pixel by pixel."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.autograd import forward_ad

from nanobrag_torch.slabs import Slab, assembled, first_overlap, held, shape_of, stacked, within

SLABS = st.lists(
    st.builds(Slab, st.integers(0, 9), st.integers(0, 9), st.integers(1, 6), st.integers(1, 6)), min_size=1, max_size=6
)


def pasted(slabs):
    """Number of slabs in each pixel, and the last one's values, by assignment."""
    count, image = np.zeros((2, *shape_of(slabs)))
    for number, slab in enumerate(slabs):
        place = (slice(slab.slow, slab.slow + slab.height), slice(slab.fast, slab.fast + slab.width))
        count[place] += 1
        image[place] = 100 * number + np.arange(slab.height * slab.width).reshape(slab.height, slab.width) + 1
    return count, image


@given(SLABS)
@settings(max_examples=200, deadline=None)
def test_an_overlap_is_found_exactly_where_a_pixel_is_held_twice(slabs):
    count, _ = pasted(slabs)
    found = first_overlap(slabs)
    assert (found is not None) == (count.max() > 1)
    if found is not None:
        assert pasted([slabs[number] for number in found])[0].max() == 2


@given(SLABS)
@settings(max_examples=200, deadline=None)
def test_an_assembled_image_is_that_of_assignment_and_falls_apart_into_its_panels(slabs):
    count, image = pasted(slabs)
    if count.max() > 1:
        slabs = stacked([(slab.height, slab.width) for slab in slabs])
        count, image = pasted(slabs)
    panels = [
        100.0 * number + torch.arange(slab.height * slab.width).reshape(slab.height, slab.width) + 1
        for number, slab in enumerate(slabs)
    ]
    made = assembled(panels, slabs)
    assert made.tolist() == image.tolist()
    assert all(torch.equal(slab.of(made), panel) for slab, panel in zip(slabs, panels, strict=True))


def test_the_gradient_of_an_assembled_image_is_that_of_its_panels():
    slabs = [Slab(0, 0, 2, 3), Slab(4, 1, 3, 4)]
    panels = [torch.ones(3, 2, requires_grad=True), torch.ones(4, 3, requires_grad=True)]
    weights = torch.arange(35.0).reshape(5, 7)
    (assembled(panels, slabs) * weights).sum().backward()
    assert panels[1].grad.tolist() == weights[1:5, 4:7].tolist()


@given(SLABS, st.integers(0, 6), st.integers(0, 6), st.integers(1, 8), st.integers(1, 8))
@settings(max_examples=200, deadline=None)
def test_a_window_holds_the_pixels_of_the_slabs_in_it(slabs, slow, fast, rows, columns):
    count, _ = pasted(slabs)
    height, width = (
        min(size, end - start) for size, end, start in zip((rows, columns), count.shape, (slow, fast), strict=True)
    )
    if height < 1 or width < 1:
        return
    parts = within(slabs, (slow, slow + height - 1), (fast, fast + width - 1))
    window = count[slow : slow + height, fast : fast + width]
    np.testing.assert_array_equal(held(parts, (height, width)), window > 0)
    assert sum(part.width * part.height for part in parts) == window.sum()


def test_an_assembled_image_has_the_derivatives_of_each_slab_whichever_of_them_has_one():
    """One image alone carries a gradient, or a tangent: what comes before and after it does not."""
    slabs = [Slab(0, 0, 3, 2), Slab(3, 0, 2, 2), Slab(1, 2, 4, 1)]
    images = [torch.rand(slab.height, slab.width, dtype=torch.float64) for slab in slabs]
    plain = assembled(iter(images), slabs)
    for number, slab in enumerate(slabs):
        leaf = images[number].clone().requires_grad_()
        given = [leaf if index == number else image for index, image in enumerate(images)]
        made = assembled(iter(given), slabs)
        made.square().sum().backward()
        assert torch.equal(made, plain) and torch.equal(leaf.grad, 2 * images[number])
        with forward_ad.dual_level():
            given[number] = forward_ad.make_dual(images[number], torch.ones_like(images[number]))
            tangent = forward_ad.unpack_dual(assembled(iter(given), slabs)).tangent
        expected = torch.zeros_like(plain)
        slab.of(expected).fill_(1)
        assert torch.equal(tangent, expected)
    doubled = torch.func.vmap(lambda factor: assembled([factor * image for image in images], slabs))
    assert torch.equal(doubled(torch.tensor([1.0, 2.0]))[1], 2 * plain)
