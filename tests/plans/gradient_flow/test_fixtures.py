import math

import pytest
import torch

from nanobrag_torch.workbook import investigation, probe

fixtures = investigation("gradient-flow", "fixtures")
highest_index, listed = fixtures.highest_index, fixtures.listed


@pytest.fixture
def uniform():
    return probe.scenario(
        cell=(50.0, 60.0, 70.0, 90.0, 90.0, 90.0), N_cells=(3, 3, 3), default_F=100.0, mosaic_spread_deg=0.0,
        mosaic_domains=1, detector_pixels=8, pixel_size_mm=10.0, distance_mm=100.0, wavelength_A=1.0,
        loss="weighted_sum", compat="physical", dtype="float64", device="cpu", engine="torch",
    )  # fmt: skip


def test_a_list_without_contrast_and_fall_off_gives_the_image_of_one_amplitude(uniform):
    image = uniform.image()
    assert image.max() > 1
    torch.testing.assert_close(listed(uniform, 0.0, 0.0).image(), image, rtol=1e-12, atol=0.0)


def test_amplitudes_follow_the_law_that_is_written(uniform):
    scenario = listed(uniform, 20.0, 0.5)
    last = -scenario.hkl_metadata["h_min"]
    h, k, l = 3, -2, 5
    s_squared = (h / 100) ** 2 + (k / 120) ** 2 + (l / 140) ** 2
    want = 100 * math.exp(-20 * s_squared) * (1 + 0.5 * math.cos(2 * math.pi * (0.13 * h + 0.21 * k + 0.34 * l)))
    assert scenario.hkl_data[h + last, k + last, l + last].item() == pytest.approx(want, rel=1e-12)
    assert scenario.hkl_data.min() > 0 and not torch.equal(scenario.image(), uniform.image())


def test_the_list_reaches_the_corner_of_the_detector(uniform):
    corner = math.hypot(80.0, 80.0)
    d_min = 1 / (2 * math.sin(math.atan2(corner, 100.0) / 2))
    assert highest_index(uniform) == math.ceil(70.0 / d_min)
    assert listed(uniform, 0.0, 0.0).hkl_data.shape == (2 * (highest_index(uniform) + 4) + 1,) * 3
