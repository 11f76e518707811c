"""Masks, and what a header hands to a command line."""

import numpy as np
import pytest
import torch

from nanobrag_torch.io import create_circular_mask, create_rectangle_mask, read_smv_mask, write_smv
from nanobrag_torch.io.mask import apply_smv_header_to_config

HEADER = {
    "SIZE1": "6", "SIZE2": "5", "PIXEL_SIZE": "1", "DISTANCE": "100", "WAVELENGTH": "1.1", "BEAM_CENTER_X": "3",
    "BEAM_CENTER_Y": "2", "XDS_ORGX": "3.5", "XDS_ORGY": "3", "CLOSE_DISTANCE": "99.8", "PHI": "3", "OSC_RANGE": "0.5",
    "TWOTHETA": "4",
}  # fmt: skip


def test_a_mask_is_one_where_the_image_is_not_zero(tmp_path):
    write_smv(tmp_path / "m.img", np.array([[0, 1], [7, 0], [65535, 2]]), 0.1, 100, 1, 0.1, 0.1, adc_offset=0.0)
    mask, header = read_smv_mask(tmp_path / "m.img")
    assert mask.dtype == torch.float32
    assert mask.tolist() == [[0, 1], [1, 0], [1, 1]]
    assert header["SIZE2"] == "3"


def test_a_header_sets_the_camera_as_the_c_program_takes_it():
    config = {}
    apply_smv_header_to_config(HEADER, config)
    assert config == {
        "fpixels": 6, "spixels": 5, "pixel_size_mm": 1.0, "distance_mm": 99.8, "close_distance_mm": 99.8,
        "wavelength_A": 1.1, "beam_center_x_mm": 3.0, "beam_center_y_mm": 2.0, "orgx": 3.5, "orgy": 3.0, "phi_deg": 3.0,
        "osc_deg": 0.5,
    }  # fmt: skip


def test_the_beam_centre_of_a_mask_counts_from_the_far_edge():
    config = {}
    apply_smv_header_to_config(HEADER, config, is_mask=True)
    assert config["beam_center_y_mm"] == 5.0 - 2.0


def test_entries_that_a_header_lacks_are_left_alone():
    config = {"wavelength_A": 0.9, "phi_deg": 1.0}
    apply_smv_header_to_config({"PHI": "2"}, config)
    assert config == {"wavelength_A": 0.9, "phi_deg": 2.0}


def test_a_square_detector_may_give_one_dimension():
    config = {}
    apply_smv_header_to_config({"SIZE1": "0", "DETECTOR_DIMENSIONS": "8"}, config)
    assert (config["fpixels"], config["spixels"]) == (8, 8)


def test_an_entry_that_is_no_number_is_refused_by_name():
    with pytest.raises(ValueError, match="WAVELENGTH=long"):
        apply_smv_header_to_config({"WAVELENGTH": "long"}, {})


def test_a_circular_mask_holds_the_pixels_within_the_radius():
    mask = create_circular_mask(5, 7, center_s=2, center_f=3, radius=1)
    assert mask.shape == (5, 7)
    assert mask.nonzero().tolist() == [[1, 3], [2, 2], [2, 3], [2, 4], [3, 3]]


def test_a_rectangular_mask_includes_its_bounds():
    mask = create_rectangle_mask(4, 6, roi_xmin=1, roi_xmax=3, roi_ymin=2, roi_ymax=9)
    assert mask.sum() == 2 * 3
    assert mask[2:, 1:4].min() == 1
