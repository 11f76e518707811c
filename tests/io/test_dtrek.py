"""Headers of d*TREK: read right, or refused by the name of the entry."""

import numpy as np
import pytest

from nanobrag_torch.conventions import DetectorConvention
from nanobrag_torch.io.mask import apply_smv_header_to_config, read_smv_mask
from nanobrag_torch.io.smv import parse_smv_header, read_smv

ENTRIES = {
    "BYTE_ORDER": "little_endian",
    "Data_type": "long int",
    "DETECTOR_NAMES": "PXD_",
    "DETECTOR_NUMBER": "1",
    "PXD_GONIO_NAMES": "RotZ RotX/Swing RotY TransX TransY TransZ/Dist",
    "PXD_GONIO_VALUES": "0 0 0 0 0 62.0",
    "PXD_SPATIAL_DISTORTION_INFO": "9.5 6.5 0.1000 0.1000",
    "PXD_SPATIAL_DISTORTION_TYPE": "Simple_spatial",
    "PXD_SPATIAL_DISTORTION_VECTORS": "1 0 0 1",
    "ASC_SAMPLE_HOLDER_NAMES": "{ Z X Y }",
    "ROTATION": "15.0 15.5 0.5 10.0 0 0 0 0 0 0",
    "ROTATION_VECTOR": "1 0 0",
    "SIZE1": "20",
    "SIZE2": "15",
    "SOURCE_WAVELENGTH": "1.0 1.5418",
}
PIXELS = np.arange(300, dtype="<i4").reshape(15, 20) * 7001


def image(path, **changes):
    """A d*TREK image of 20 x 15 pixels (fast x slow)."""
    entries = ENTRIES | changes
    lines = "".join(f"{name}={value};\n" for name, value in entries.items() if value is not None)
    path.write_bytes(f"{{\nHEADER_BYTES= 1536;\n{lines}}}\n\f".encode().ljust(1536) + PIXELS.tobytes())
    return path


def test_pixels_have_the_type_that_data_type_names(tmp_path):
    pixels, header = read_smv(image(tmp_path / "i.img"))
    np.testing.assert_array_equal(pixels, PIXELS)
    assert pixels.dtype == np.int32 and header["ASC_SAMPLE_HOLDER_NAMES"] == "{ Z X Y }"
    assert read_smv_mask(tmp_path / "i.img")[0].sum() == 299


@pytest.mark.parametrize(
    ("convention", "centre"),
    [(DetectorConvention.XDS, (0.95, 0.65)), (DetectorConvention.ADXV, (0.95, 0.85)), (None, (0.6, 0.9))],
)
def test_the_camera_is_taken_over_in_the_coordinates_of_the_convention(tmp_path, convention, centre):
    config = {} if convention is None else {"convention": convention}
    with pytest.warns(UserWarning, match="not ROTATION_VECTOR"):
        apply_smv_header_to_config(parse_smv_header(image(tmp_path / "i.img")), config)
    found = {name: config[name] for name in ("wavelength_A", "distance_mm", "pixel_size_mm", "phi_deg", "osc_deg")}
    assert found == {
        "wavelength_A": 1.5418, "distance_mm": 62, "pixel_size_mm": 0.1, "phi_deg": 15, "osc_deg": 0.5,
    }  # fmt: skip
    assert (config["fpixels"], config["spixels"]) == (20, 15)
    assert (config["beam_center_x_mm"], config["beam_center_y_mm"]) == pytest.approx(centre)
    assert (config["orgx"], config["orgy"]) == (10, 7)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"PXD_GONIO_VALUES": "0 20 0 0 0 62.0"}, "RotX/Swing 20: a detector that is turned"),
        ({"PXD_GONIO_VALUES": "0 0 62.0"}, "must name TransZ/Dist, and a value for each"),
        ({"SOURCE_WAVELENGTH": "2.0 1.5406 1.5444"}, "SOURCE_WAVELENGTH=2.0 1.5406 1.5444: must be 1 and one"),
        ({"SOURCE_WAVELENGTH": None}, "SOURCE_WAVELENGTH=: must be"),
        ({"ROTATION": "15"}, "ROTATION=15: must be 3 numbers or more"),
        ({"PXD_SPATIAL_DISTORTION_INFO": "9.5 6.5 0.1 0.2"}, "are no squares"),
        ({"PXD_SPATIAL_DISTORTION_TYPE": "Interp_spatial"}, "Interp_spatial: only Simple_spatial"),
        ({"PXD_SPATIAL_DISTORTION_VECTORS": "0 1 1 0"}, "0 1 1 0: only 1 0 0 1"),
        ({"DETECTOR_NAMES": "A_ B_"}, "DETECTOR_NAMES=A_ B_: must name one detector"),
    ],
)
def test_what_no_camera_here_can_say_is_refused_by_the_name_of_the_entry(tmp_path, changes, message):
    header = parse_smv_header(image(tmp_path / "i.img", **changes))
    with pytest.raises(ValueError, match=message):
        apply_smv_header_to_config(header, {})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"Data_type": "mad"}, r"i\.img: Data_type=mad: allowed are unsigned short int"),
        ({"Compression": "TY6"}, r"i\.img: Compression=TY6: packed pixels are not read"),
        ({"RAXIS_COMPRESSION_RATIO": "8"}, "RAXIS_COMPRESSION_RATIO=8"),
    ],
)
def test_pixels_in_a_manner_that_is_not_known_are_refused(tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        read_smv(image(tmp_path / "i.img", **changes))
