"""Statistics of an image against sums worked out by hand."""

import math

import pytest
import torch

from nanobrag_torch.config import BeamConfig, CrystalConfig, DetectorConfig
from nanobrag_torch.models import Crystal, Detector
from nanobrag_torch.simulator import Simulator
from nanobrag_torch.statistics import compute_statistics, subtended_solid_angle

IMAGE = torch.tensor([[1.0, 2.0, 3.0], [4.0, 9.0, 6.0], [7.0, 9.0, 0.0]])


def detector(**changes):
    return DetectorConfig(spixels=3, fpixels=3, pixel_size_mm=1.0, distance_mm=50.0, **changes)


def test_all_pixels_count_by_default():
    found = compute_statistics(IMAGE, detector())
    assert (found.N, found.mean) == (9, pytest.approx(41 / 9))
    assert pytest.approx(math.sqrt(float((IMAGE**2).sum()) / 8)) == found.RMS
    assert pytest.approx(float(IMAGE.std())) == found.RMSD


def test_the_maximum_is_the_first_of_equal_ones_at_its_last_sub_pixel():
    found = compute_statistics(IMAGE, detector(), oversample=2)
    assert (found.max_I, found.max_I_slow, found.max_I_fast) == (9.0, 1, 1)
    assert found.max_I_subpixel_fast == pytest.approx(1.75e-3)
    assert found.max_I_subpixel_slow == pytest.approx(1.75e-3)


def test_only_the_roi_counts():
    found = compute_statistics(IMAGE, detector(roi_xmin=0, roi_xmax=1, roi_ymin=0, roi_ymax=1))
    assert (found.N, found.max_I, found.mean) == (4, 9.0, 4.0)
    assert pytest.approx(math.sqrt((9 + 4 + 0 + 25) / 3)) == found.RMSD


def test_a_mask_counts_for_mean_and_rms_but_not_for_rmsd():
    mask = torch.ones(3, 3)
    mask[1, 1] = 0
    image = IMAGE * mask
    found = compute_statistics(image, detector(mask_array=mask))
    assert (found.N, found.mean, found.max_I_slow) == (8, 4.0, 2)
    assert pytest.approx(math.sqrt(float(((image - 4.0) ** 2).sum()) / 8)) == found.RMSD


def test_a_dark_image_has_no_brightest_pixel():
    found = compute_statistics(torch.zeros(3, 3), detector())
    assert (found.max_I, found.max_I_subpixel_fast, found.max_I_subpixel_slow, found.RMSD) == (0.0, 0.0, 0.0, 0.0)
    assert found.N == 9


def test_a_single_pixel_is_divided_by_one():
    found = compute_statistics(IMAGE, detector(roi_xmin=1, roi_xmax=1, roi_ymin=1, roi_ymax=1))
    assert (found.N, found.mean, found.RMS) == (1, 9.0, 9.0)


def test_any_image_has_statistics_and_those_of_another_shape_know_no_roi_or_mask():
    narrow = detector(roi_xmin=1, roi_xmax=1, roi_ymin=1, roi_ymax=1, mask_array=torch.zeros(3, 3))
    other = IMAGE[:2]
    found = compute_statistics(other, narrow)
    assert (found.N, found.mean, found.max_I) == (6, pytest.approx(25 / 6), 9.0)
    assert (found.max_I_slow, found.max_I_fast) == (1, 1)
    assert pytest.approx(float(other.std())) == found.RMSD
    pixels = compute_statistics(other.flatten(), narrow)
    assert (pixels.N, pixels.mean, pixels.RMS, pixels.RMSD) == (found.N, found.mean, found.RMS, found.RMSD)
    assert (pixels.max_I_slow, pixels.max_I_fast) == (0, 4)
    assert compute_statistics(other.numpy().astype("int16"), narrow).mean == found.mean
    assert compute_statistics(torch.zeros(0), narrow).N == compute_statistics(torch.zeros(0, 4), narrow).max_I == 0
    with pytest.raises(ValueError, match=r"\(1, 3, 3\).*\(3, 3\)"):
        compute_statistics(IMAGE[None], narrow)


def test_all_fields_are_found_in_the_dict():
    found = compute_statistics(IMAGE, detector())
    assert set(found.as_dict()) == {
        "max_I", "max_I_fast", "max_I_slow", "max_I_subpixel_fast", "max_I_subpixel_slow", "mean", "RMS", "RMSD", "N",
    }  # fmt: skip


def solid_angle(compat, **changes):
    config = DetectorConfig(spixels=8, fpixels=8, pixel_size_mm=5.0, distance_mm=20.0, **changes)
    simulator = Simulator(Crystal(CrystalConfig()), Detector(config), beam_config=BeamConfig(), compat=compat)
    return subtended_solid_angle(simulator.scene(), *simulator.rendered_pixels())


def exact_solid_angle(half_side, distance):
    return 4 * math.asin(half_side**2 / (half_side**2 + distance**2))


def test_fine_samples_add_up_to_the_solid_angle_of_the_square():
    wanted = exact_solid_angle(20.0, 20.0)
    centred = {"beam_center_s": 17.5, "beam_center_f": 17.5}  # MOSFLM adds half a pixel
    assert solid_angle("physical", oversample=8, **centred) == pytest.approx(wanted, rel=1e-3)
    assert solid_angle("physical", oversample=16, **centred) == pytest.approx(wanted, rel=3e-4)


@pytest.mark.parametrize(("compat", "sign"), [("c", 1), ("legacy_torch", -1)])
def test_the_first_or_last_sub_pixel_stands_for_its_pixel(compat, sign):
    # An off-centre detector grows dimmer towards its far corner: the first sub-pixel of each pixel is the nearer one.
    shifted = {"beam_center_s": -10.0, "beam_center_f": -10.0}
    whole, part = solid_angle("physical", oversample=4, **shifted), solid_angle(compat, oversample=4, **shifted)
    assert 0.01 < sign * (part / whole - 1) < 0.5
