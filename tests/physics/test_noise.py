"""Photon noise and digitisation."""

import numpy as np
import pytest

from nanobrag_torch.physics.noise import digitise
from nanobrag_torch.physics.random import CRandom

MEANS = np.array([[0.0, 0.5, 3.0], [11.9, 12.0, 2e6]], np.float32)


def test_a_poisson_image_is_drawn_pixel_by_pixel_in_row_major_order():
    stream = CRandom(-5)
    expected = [stream.poisson(mean) for mean in MEANS.ravel()]
    assert CRandom(-5).poissons(MEANS).ravel().tolist() == expected


def test_the_waiting_gaussian_deviate_is_kept_from_image_to_image():
    bright = np.full((1, 3), 2e6, np.float32)
    stream, reference = CRandom(-5), CRandom(-5)
    drawn = [*stream.poissons(bright).ravel(), *stream.poissons(bright).ravel()]
    assert drawn == [reference.poisson(2e6) for _ in range(6)]


@pytest.mark.parametrize("mean", [5.0, 100.0])
def test_photon_counts_have_the_mean_and_variance_of_a_poisson_distribution(mean):
    counts = CRandom(-3).poissons(np.full((200, 200), mean, np.float32))
    assert counts.mean() == pytest.approx(mean, rel=0.01)
    assert counts.var() == pytest.approx(mean, rel=0.03)


def test_digitised_pixels_are_truncated_and_overloads_counted():
    pixels, overloads = digitise(np.array([0.0, 3.0, 65525.0, 65526.0, 1e9], np.float32), 10.7)
    assert pixels.tolist() == [10, 13, 65535, 65535, 65535]
    assert overloads == 3
