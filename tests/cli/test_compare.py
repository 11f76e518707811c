"""Two images of one command line: how far they agree, pixel by pixel, and in their headers."""

import json
from pathlib import Path

import numpy as np
import pytest

from nanobrag_torch.cli.compare import compare_images, compare_with_stored, header_differences

GOLDEN = Path(__file__).parents[1] / "golden"
IMAGE = np.arange(12.0).reshape(3, 4)


def test_equal_images_agree():
    found = compare_images(IMAGE, IMAGE.copy())
    assert (found.agrees, found.correlation, found.worst) == (True, pytest.approx(1.0), ())


def test_differing_pixels_are_counted_and_the_worst_come_first():
    other = IMAGE.copy()
    other[1, 2] += 0.5
    other[2, 3] += 2.0
    found = compare_images(IMAGE, other)
    assert (found.different, found.largest_difference) == (2, 2.0)
    assert [(p.slow, p.fast) for p in found.worst] == [(2, 3), (1, 2)]
    assert not found.agrees


def test_a_difference_is_measured_by_the_tolerance_of_its_pixel():
    other = IMAGE.copy()
    other[0, 1] += 3e-6
    other[2, 3] += 6e-6
    found = compare_images(other, IMAGE, rtol=1e-6)
    assert found.different == 1 and found.largest_difference == pytest.approx(6e-6, rel=1e-6)
    assert found.excess == pytest.approx(3e-6 / (1e-6 + 11e-9), rel=1e-6)


def test_a_pixel_that_is_no_number_differs():
    other = IMAGE.copy()
    other[0, 1] = np.nan
    found = compare_images(IMAGE, other)
    assert (found.different, found.worst[0].fast) == (1, 1)
    assert found.largest_difference == found.excess == np.inf


def test_a_constant_image_has_no_correlation():
    found = compare_images(np.zeros((2, 2)), np.zeros((2, 2)))
    assert found.correlation is None
    assert found.agrees


def test_images_of_different_shapes_are_refused():
    with pytest.raises(ValueError, match=r"\(3, 4\).*\(4, 3\)"):
        compare_images(IMAGE, IMAGE.T)


def test_a_stored_header_is_compared_line_by_line(tmp_path):
    command = json.loads((GOLDEN / "cases.json").read_text())["energy"]["args"]
    with np.load(GOLDEN / "energy.npz") as stored:
        arrays = dict(stored)
    assert compare_with_stored(command, GOLDEN / "energy.npz").comparison.header_differences == ()
    changed = str(arrays["int_header"]).replace("DISTANCE=60;", "DISTANCE=61;", 1)
    np.savez(tmp_path / "changed.npz", float=arrays["float"], int_header=changed)
    found = compare_with_stored(command, tmp_path / "changed.npz").comparison
    assert found.agrees and found.header_differences == ("-DISTANCE=61", "+DISTANCE=60")
    np.savez(tmp_path / "bare.npz", float=arrays["float"])
    assert compare_with_stored(command, tmp_path / "bare.npz").comparison.header_differences is None


def test_headers_differ_where_one_has_a_line_more():
    assert header_differences("{\nA=1;\n}\f", "{\nA=1;\nB=2;\n}\f  ") == ("+B=2",)
