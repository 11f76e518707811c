"""The record of a sweep: what it derives, and what it refuses."""

import math

import numpy as np
import pytest

from nanobrag_torch.io.exposure import Exposure


def exposure(**changes):
    fields = {
        "images": np.ones((2, 10, 20)),
        "pixel_size_m": 1e-4,
        "origin_m": (-1e-3, -4e-4, 0.1),
        "fast": (1.0, 0.0, 0.0),
        "slow": (0.0, 1.0, 0.0),
        "wavelength_A": 1.0,
    }
    return Exposure(**fields | changes)


def test_distance_and_beam_centre_follow_from_the_geometry():
    assert exposure().distance_m == pytest.approx(0.1)
    assert exposure().beam_centre_px == pytest.approx((10, 4))
    assert exposure().is_perpendicular


def test_a_tilted_detector_meets_the_beam_where_the_beam_is():
    """Turned by 30 degrees about fast, the plane still goes through the point 0.1 m down the beam."""
    s, c = math.sin(math.pi / 6), math.cos(math.pi / 6)
    slow = np.array([0, c, s])
    origin = np.array([0, 0, 0.1]) - 10e-4 * np.array([1, 0, 0]) - 4e-4 * slow
    tilted = exposure(slow=tuple(slow), origin_m=tuple(origin))
    assert tilted.distance_m == pytest.approx(0.1)
    assert tilted.beam_centre_px == pytest.approx((10, 4))
    assert not tilted.is_perpendicular


def test_one_image_of_a_sweep_has_its_own_start():
    sweep = exposure(images=np.arange(400.0).reshape(2, 10, 20), phi_start_deg=5.0, phi_width_deg=0.5)
    second = sweep.single(1)
    assert second.phi_start_deg == 5.5
    assert np.array_equal(second.images, sweep.images[1:])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"images": np.ones((10, 20))},
            r"images = 'shape \(10, 20\)': must be of shape \(n, slow, fast\).*image\[None\]",
        ),
        ({"mask": np.ones((20, 10), bool)}, "mask"),
        ({"fast": (2.0, 0.0, 0.0)}, "fast = .*must be a unit vector. Divide it by its length 2"),
        ({"origin_m": (0.0, float("nan"), 0.1)}, "origin_m"),
        ({"beam": (1.0, 0.0, 0.0)}, "beam = .*must be across the detector"),
        ({"pixel_size_m": 0.0}, "pixel_size_m = 0.0"),
        ({"wavelength_A": -1.0}, "wavelength_A = -1.0"),
    ],
)
def test_what_describes_no_detector_is_refused(changes, message):
    with pytest.raises(ValueError, match=rf"Exposure\.{message}"):
        exposure(**changes)
