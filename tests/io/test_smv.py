"""SMV images."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nanobrag_torch.conventions import DetectorConvention
from nanobrag_torch.io import read_smv, smv_header, write_smv
from nanobrag_torch.io.smv import PIXEL_TYPES, SmvGeometry, parse_smv_header, to_pixels

IMAGE = np.array([[0.0, 1.0, 2.5], [100.2, 65000.0, 1e6]])
GEOMETRY = SmvGeometry(
    fpixels=3, spixels=2, pixel_size=0.1, slow_size=0.2, distance=100.0, close_distance=100.0, wavelength=1.0,
    beam_center=(0.1, 0.15), direct_beam=(0.2, 0.15), dials_origin=(-0.2, 0.15, -100.0), xds_origin=(2.5, 2.0),
)  # fmt: skip


def written(path, image=IMAGE, **more):
    write_smv(path, image, 0.1, 100.0, 1.0, 0.1, 0.15, **more)
    return read_smv(path)


def test_pixels_are_scaled_offset_rounded_and_clipped(tmp_path):
    pixels, header = written(tmp_path / "i.img", scale=2.0, adc_offset=40.0)
    assert pixels.tolist() == [[40, 42, 45], [240, 65535, 65535]]
    assert (header["SIZE1"], header["SIZE2"], header["TYPE"]) == ("3", "2", "unsigned_short")


@pytest.mark.parametrize("byte_order", ["little_endian", "big_endian"])
@pytest.mark.parametrize("data_type", PIXEL_TYPES)
def test_every_pixel_type_and_byte_order_is_read_back(tmp_path, data_type, byte_order):
    image = np.array([[0.0, 1.0, 2.0], [300.0, 30000.0, 32000.0]])
    pixels, header = written(tmp_path / "i.img", image, data_type=data_type, byte_order=byte_order, adc_offset=0.0)
    assert pixels.tolist() == image.tolist()
    assert header["BYTE_ORDER"] == byte_order


def test_the_byte_order_can_be_ignored_as_c_does(tmp_path):
    written(tmp_path / "i.img", np.ones((1, 1)), byte_order="big_endian", adc_offset=0.0)
    assert read_smv(tmp_path / "i.img", native=True)[0].tolist() == [[256]]


def test_a_header_is_padded_with_blanks_behind_a_form_feed():
    header = smv_header(GEOMETRY)
    assert len(header) == 512
    assert header.startswith(b"{\nHEADER_BYTES=512;\nDIM=2;\n")
    assert header.rstrip(b" ").endswith(b"BEAMLINE=fake;\n}\f")


LONG = SmvGeometry(**{**vars(GEOMETRY), "beamline": "x" * 200})


def test_a_long_header_is_padded_to_the_next_block_and_says_so(tmp_path):
    header = smv_header(LONG)
    assert len(header) == 1024
    (tmp_path / "i.img").write_bytes(header + np.arange(6, dtype=np.uint16).tobytes())
    pixels, entries = read_smv(tmp_path / "i.img")
    assert pixels.tolist() == [[0, 1, 2], [3, 4, 5]]
    assert entries["HEADER_BYTES"] == "1024"


def test_a_strict_long_header_has_no_padding_and_the_wrong_length():
    header = smv_header(LONG, strict=True)
    assert len(header) > 512
    assert header.endswith(b"}\f")
    assert b"HEADER_BYTES=512;" in header


@pytest.mark.parametrize(
    ("convention", "fast_slow", "origin"),
    [
        ("MOSFLM", ("0.2", "0.15"), "-0.2,0.15,-100"),
        ("DENZO", ("0.15", "0.1"), "-0.15,0.1,-100"),
        ("ADXV", ("0.1", "0.05"), "100,0.05,0.1"),
        ("XDS", ("0.1", "0.15"), "100,-0.15,0.1"),
    ],
)
def test_the_beam_centre_is_that_of_the_convention(tmp_path, convention, fast_slow, origin):
    _, header = written(tmp_path / "i.img", convention=convention)
    assert (header["BEAM_CENTER_X"], header["BEAM_CENTER_Y"]) == ("0.1", "0.15")
    assert (header["DENZO_Y_BEAM"], header["DENZO_X_BEAM"]) == fast_slow
    assert header["DIALS_ORIGIN"] == origin


def test_angles_and_names_enter_the_header(tmp_path):
    _, header = written(tmp_path / "i.img", phi_deg=3.0, osc_range_deg=0.5, twotheta_deg=4.0, close_distance_mm=99.0)
    expected = {"PHI": "3", "OSC_START": "3", "OSC_RANGE": "0.5", "TWOTHETA": "4", "CLOSE_DISTANCE": "99"}
    assert expected.items() <= header.items()
    assert header["BEAMLINE"] == "nanoBragg"


@pytest.mark.parametrize("wrong", [{"convention": "none"}, {"byte_order": "middle"}, {"data_type": "bit"}])
def test_an_unknown_choice_is_refused_before_anything_is_written(tmp_path, wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        written(tmp_path / "i.img", **wrong)
    assert list(tmp_path.iterdir()) == []


def test_a_pixel_that_is_no_number_is_refused_with_its_place():
    with pytest.raises(ValueError, match="slow 1, fast 0"):
        to_pixels(np.array([[1.0], [np.nan]]))


def test_a_tensor_with_a_gradient_can_be_written(tmp_path):
    pixels, _ = written(tmp_path / "i.img", torch.ones(2, 3, requires_grad=True), adc_offset=0.0)
    assert pixels.tolist() == [[1, 1, 1], [1, 1, 1]]


def test_of_a_repeated_entry_the_last_one_stands(tmp_path):
    (tmp_path / "i.img").write_bytes(b"{\nHEADER_BYTES=  512;\nPHI=1;\nSIZE1=2;\nPHI=2;\n}\f".ljust(512))
    header = parse_smv_header(tmp_path / "i.img")
    assert list(header) == ["HEADER_BYTES", "SIZE1", "PHI"]
    assert header["PHI"] == "2"


def smv_bytes(**entries):
    lines = "".join(f"{name}={value};\n" for name, value in entries.items())
    return f"{{\nHEADER_BYTES=512;\n{lines}}}\f".encode().ljust(512)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"P5\n3 2\n255\n", "no SMV image"),
        (smv_bytes(SIZE2=2), "SIZE1"),
        (smv_bytes(SIZE1="many", SIZE2=2), "SIZE1"),
        (smv_bytes(SIZE1=3, SIZE2=-2), "SIZE2"),
        (smv_bytes(SIZE1=3, SIZE2=2), "cut short"),
        (smv_bytes(SIZE1=3, SIZE2=2, TYPE="bit"), "TYPE"),
        (smv_bytes(SIZE1=3, SIZE2=2, BYTE_ORDER="middle"), "BYTE_ORDER"),
    ],
)
def test_what_is_no_image_is_refused_with_the_reason(tmp_path, content, complaint):
    (tmp_path / "i.img").write_bytes(content)
    with pytest.raises(ValueError, match=complaint):
        read_smv(tmp_path / "i.img")


@given(st.binary(max_size=600), st.sampled_from([b"", b"{\nHEADER_BYTES=512;\nSIZE1=2;\nSIZE2=2;\n"]))
def test_any_bytes_are_an_image_or_refused(tmp_path_factory, content, start):
    path = tmp_path_factory.mktemp("smv") / "i.img"
    path.write_bytes(start + content)
    try:
        pixels, header = read_smv(path)
    except ValueError as error:
        assert "i.img" in str(error)
    else:
        assert pixels.shape == (int(header["SIZE2"]), int(header["SIZE1"]))


def test_numbers_and_convention_of_a_config_go_into_the_header(tmp_path):
    image = torch.ones(4, 5, requires_grad=True)
    numbers = (0.1, 100.0, 1.0, 0.25, 0.2)
    write_smv(tmp_path / "plain.img", image, *numbers, 90.0, 1.0, 2.0, 3.0, 4.0, convention="xds")
    tensors = [torch.tensor(n, dtype=torch.float64, requires_grad=True) for n in (*numbers, 90.0, 1.0, 2.0, 3.0, 4.0)]
    write_smv(tmp_path / "config.img", image.detach().numpy(), *tensors, convention=DetectorConvention.XDS)
    assert (tmp_path / "plain.img").read_bytes() == (tmp_path / "config.img").read_bytes()


@pytest.mark.parametrize(("suffix", "start"), [(".gz", b"\x1f\x8b"), (".bz2", b"BZh"), ("", b"{\n")])
def test_the_end_of_the_name_compresses_and_the_content_tells_what_was(tmp_path, suffix, start):
    plain, _ = written(tmp_path / "plain.img")
    packed, header = written(tmp_path / f"i.img{suffix}")
    assert (tmp_path / f"i.img{suffix}").read_bytes().startswith(start)
    np.testing.assert_array_equal(packed, plain)
    assert header == parse_smv_header(tmp_path / "plain.img")
