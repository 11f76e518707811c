"""Mini-CBF: counts and geometry survive, and a header of the detector family is understood."""

import dataclasses
import math
import re

import fabio
import numpy as np
import pytest
from exposures import exposure_of

from nanobrag_torch.conventions import CONVENTIONS, DetectorConvention
from nanobrag_torch.io.cbf import read_cbf, write_cbf
from nanobrag_torch.io.exposure import Exposure


def one_image(convention=DetectorConvention.MOSFLM, **changes):
    return dataclasses.replace(exposure_of(convention).single(1), **changes)


def counts(image):
    return image.images.astype(np.int64) * image.mask


@pytest.mark.parametrize("convention", DetectorConvention)
def test_everything_survives_the_round_trip_exactly_in_every_convention(tmp_path, convention):
    before = one_image(convention)
    write_cbf(tmp_path / "t.cbf", before)
    after = read_cbf(tmp_path / "t.cbf")
    for field in dataclasses.fields(Exposure):
        if field.name != "images":
            np.testing.assert_array_equal(getattr(after, field.name), getattr(before, field.name), err_msg=field.name)
    np.testing.assert_array_equal(after.images, counts(before))


def test_large_and_small_counts_are_kept(tmp_path):
    image = np.array([[[0, 1, 127, 128], [32767, 32768, 65535, 2**31 - 1]]])
    write_cbf(tmp_path / "t.cbf", one_image(images=image, mask=None))
    after = read_cbf(tmp_path / "t.cbf")
    np.testing.assert_array_equal(after.images, image)
    assert after.mask is None


def test_other_programs_find_pixels_and_the_usual_header(tmp_path):
    before = one_image()
    write_cbf(tmp_path / "t.cbf", before)
    image = fabio.open(tmp_path / "t.cbf")
    np.testing.assert_array_equal(image.data, np.where(before.mask, before.images[0].astype(int), -1))
    assert image.header["_array_data.header_convention"] == "GENERIC_MINI"
    header = image.header["_array_data.header_contents"]
    for line in ("# Wavelength 0.9791234567 A", "# Pixel_size 0.000172 m x 0.000172 m", "# Start_angle 12.4 deg."):
        assert line in header
    assert f"# Detector_distance {before.distance_m!r} m" in header


def test_a_sensor_is_named_as_readers_look_for_it_and_a_surface_has_none(tmp_path):
    headers = []
    for thickness in (320e-6, 0.0):
        before = one_image(sensor_material="Si", sensor_thickness_m=thickness)
        write_cbf(tmp_path / "t.cbf", before)
        after = read_cbf(tmp_path / "t.cbf")
        assert (after.sensor_material, after.sensor_thickness_m) == ("Si", thickness)
        headers.append(fabio.open(tmp_path / "t.cbf").header["_array_data.header_contents"])
    assert "# Silicon sensor, thickness 0.00032 m" in headers[0] and "sensor" not in headers[1]


def test_a_header_without_axes_means_a_detector_square_to_the_beam(tmp_path):
    header = (
        "# Detector: PILATUS 6M\n# Pixel_size 172e-6 m x 172e-6 m\n# Silicon sensor, thickness 0.000320 m\n"
        "# Exposure_time 0.2 s\n# Count_cutoff 1048500 counts\n# Wavelength 0.9763 A\n# Detector_distance 0.25 m\n"
        "# Beam_xy (5.50, 3.25) pixels\n# Start_angle 10.0000 deg.\n# Angle_increment 0.2000 deg.\n"
    )
    data = np.arange(35, dtype=np.int32).reshape(5, 7) - 1
    image = fabio.cbfimage.CbfImage(data=data, header={"_array_data.header_contents": header})
    image.write(str(tmp_path / "t.cbf"))
    after = read_cbf(tmp_path / "t.cbf")
    assert after.origin_m == pytest.approx((-5.5 * 172e-6, -3.25 * 172e-6, 0.25))
    assert after.beam_centre_px == pytest.approx((5.5, 3.25))
    assert (after.distance_m, after.wavelength_A, after.saturation) == (0.25, 0.9763, 1048500)
    assert (after.phi_start_deg, after.phi_width_deg, after.exposure_s) == (10, 0.2, 0.2)
    assert (after.sensor_thickness_m, after.sensor_material) == (0.00032, "Si")
    assert after.mask.sum() == 34
    assert not after.mask[0, 0]


def test_a_detector_turned_by_two_theta_says_so_and_is_read_back_where_it_was(tmp_path):
    two_theta = math.radians(20)
    row = CONVENTIONS[DetectorConvention.XDS]  # beam z, spindle x
    slow = (0.0, math.cos(two_theta), math.sin(two_theta))
    before = one_image(DetectorConvention.XDS, fast=row.fast, slow=slow, spindle=row.spindle)
    write_cbf(tmp_path / "t.cbf", before)
    header = fabio.open(tmp_path / "t.cbf").header["_array_data.header_contents"]
    assert "# Detector_2theta 20.0 deg." in header
    after = read_cbf(tmp_path / "t.cbf")
    assert (after.origin_m, after.slow) == (before.origin_m, slow)


def plain_file(path, *lines):
    """A file of another program, with a PILATUS header of these lines."""
    image = fabio.cbfimage.CbfImage(
        data=np.ones((5, 7), np.int32), header={"_array_data.header_contents": "\n".join(f"# {line}" for line in lines)}
    )
    image.write(str(path))


LINES = ("Pixel_size 172e-6 m x 172e-6 m", "Wavelength 0.9763 A", "Detector_distance 0.25 m", "Beam_xy (5, 3) pixels")


@pytest.mark.parametrize("left_out", LINES)
def test_a_header_without_what_places_the_detector_is_refused_by_the_name_of_the_entry(tmp_path, left_out):
    plain_file(tmp_path / "t.cbf", *(line for line in LINES if line is not left_out))
    with pytest.raises(ValueError, match=rf"t\.cbf: this CBF file cannot be read \(.*no {left_out.split()[0]}"):
        read_cbf(tmp_path / "t.cbf")


def test_a_two_theta_whose_axis_is_not_said_is_refused(tmp_path):
    plain_file(tmp_path / "t.cbf", *LINES, "Detector_2theta 0.0000 deg.")
    assert read_cbf(tmp_path / "t.cbf").distance_m == 0.25
    plain_file(tmp_path / "t.cbf", *LINES, "Detector_2theta 20.0000 deg.")
    with pytest.raises(ValueError, match=r"Detector_2theta is 20 deg\., and its header does not say about which axis"):
        read_cbf(tmp_path / "t.cbf")


@pytest.mark.parametrize("suffix", [".cbf.gz", ".cbf.bz2"])
def test_compressed_files_are_told_by_their_content(tmp_path, suffix):
    before = one_image()
    path = tmp_path / f"with blanks ü{suffix}"
    write_cbf(path, before)
    assert path.read_bytes()[:2] == {".cbf.gz": b"\x1f\x8b", ".cbf.bz2": b"BZ"}[suffix]
    path.rename(tmp_path / "t.cbf")
    np.testing.assert_array_equal(read_cbf(tmp_path / "t.cbf").images, counts(before))
    (tmp_path / "t.cbf").write_bytes((tmp_path / "t.cbf").read_bytes()[:-20])
    with pytest.raises(ValueError, match=r"t\.cbf: .*cannot be decompressed.*cut short or damaged"):
        read_cbf(tmp_path / "t.cbf")


def test_a_name_of_any_letters_gives_a_block_of_ascii_and_the_header_has_a_time_stamp(tmp_path):
    write_cbf(tmp_path / "größer als 1.cbf", one_image())
    head = (tmp_path / "größer als 1.cbf").read_bytes().split(b"--CIF-BINARY", 1)[0].decode("ascii")
    assert "\r\ndata_image\r\n" in head
    assert re.search(r"# \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.000\r\n", head)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"images": np.full((1, 11, 13), 0.5)},
            "pixels of type float64 from 0.5 to 0.5 are no counts.*Digitise or round",
        ),
        ({"images": np.full((1, 11, 13), -3)}, "from -3 to -3 are no counts"),
        ({"images": np.full((1, 11, 13), 2**31)}, "are no counts from 0 to 2147483647"),
        ({"images": np.ones((2, 11, 13), int)}, r"holds one image, not 2\. Write exposure\.single"),
    ],
)
def test_what_the_format_cannot_hold_is_refused_and_nothing_is_written(tmp_path, changes, message):
    with pytest.raises(ValueError, match=rf"t\.cbf: .*{message}"):
        write_cbf(tmp_path / "t.cbf", one_image(**changes))
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_cbf_file_is_refused_and_a_missing_one_named(tmp_path):
    (tmp_path / "t.cbf").write_text("###CBF: VERSION 1.5\n")
    with pytest.raises(ValueError, match=r"t\.cbf: this CBF file cannot be read.*Give a mini-CBF file"):
        read_cbf(tmp_path / "t.cbf")
    with pytest.raises(FileNotFoundError, match=r"CBF file cannot be read.*nowhere\.cbf"):
        read_cbf(tmp_path / "nowhere.cbf")
