"""The picture of a comparison: both images, their difference, and the pixels that lie furthest apart."""

import numpy as np
import pytest

from nanobrag_torch.cli.compare import ImagePair, compare_images
from nanobrag_torch.workbook.parity.figures import MARKED, comparison


def pair(ours: np.ndarray, theirs: np.ndarray) -> ImagePair:
    return ImagePair(ours, theirs, compare_images(ours, theirs))


IMAGE = np.arange(1.0, 61.0).reshape(6, 10)


def test_the_difference_is_drawn_with_its_sign_and_the_furthest_pixels_are_marked_and_listed():
    ours = IMAGE.copy()
    ours[1, 7] += 3.0
    ours[4, 2] -= 8.0
    drawing = comparison(pair(ours, IMAGE), "a case")
    left, right, below, listed = drawing.figure.axes[:4]
    np.testing.assert_array_equal(left.images[0].get_array(), ours)
    np.testing.assert_array_equal(right.images[0].get_array(), IMAGE)
    np.testing.assert_array_equal(below.images[0].get_array(), ours - IMAGE)
    marks = [(float(line.get_ydata()[0]), float(line.get_xdata()[0])) for line in below.lines]
    assert marks == [(4.5, 2.5), (1.5, 7.5)]
    (text,) = listed.texts
    assert "-8" in text.get_text().splitlines()[1] and len(text.get_text().splitlines()) == 3
    assert "a case" in drawing.words.title and "2 of 60 pixels differ" in drawing.words.alt


def test_no_more_pixels_are_marked_than_can_be_told_apart():
    drawing = comparison(pair(IMAGE + 1, IMAGE))
    assert len(drawing.figure.axes[2].lines) == MARKED


@pytest.mark.parametrize("image", [IMAGE, np.zeros((4, 4))])
def test_equal_images_are_said_to_be_equal(image):
    drawing = comparison(pair(image, image.copy()))
    assert [text.get_text() for text in drawing.figure.axes[3].texts] == ["no pixel differs"]
    assert drawing.rendered("png").startswith(b"\x89PNG")


def test_an_image_with_a_pixel_that_is_no_number_can_be_drawn():
    other = IMAGE.copy()
    other[0, 3] = np.nan
    drawing = comparison(pair(other, IMAGE))
    assert "1 of 60 pixels differ" in drawing.words.alt and drawing.rendered("png").startswith(b"\x89PNG")
