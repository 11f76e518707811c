"""NXmx: geometry survives the way to the file and back, and the file says what readers of the field look for."""

import dataclasses
import math

import h5py
import numpy as np
import pytest
from exposures import exposure_of, turned

from nanobrag_torch.conventions import DetectorConvention
from nanobrag_torch.io.exposure import Exposure
from nanobrag_torch.io.nexus import creating, mcstas_axes, read_nexus, write_nexus, write_sweep

GEOMETRY = ("origin_m", "fast", "slow", "beam", "polarization", "spindle", "pixel_size_m", "wavelength_A")


@pytest.mark.parametrize("convention", DetectorConvention)
def test_everything_survives_the_round_trip_exactly_in_every_convention(tmp_path, convention):
    before = exposure_of(convention)
    write_nexus(tmp_path / "t.nxs", before)
    after = read_nexus(tmp_path / "t.nxs")
    for field in dataclasses.fields(Exposure):
        np.testing.assert_array_equal(getattr(after, field.name), getattr(before, field.name), err_msg=field.name)
    assert after.images.dtype == before.images.dtype


def test_a_beam_along_no_axis_survives_to_the_last_digit(tmp_path):
    beam = turned((0.0, 0.0, 1.0), 0.3)
    across = np.cross(beam, (0.0, 1.0, 0.0))
    polarization = tuple((across / np.linalg.norm(across)).tolist())
    before = exposure_of(DetectorConvention.XDS, beam=tuple(beam.tolist()), polarization=polarization)
    write_nexus(tmp_path / "t.nxs", before)
    after = read_nexus(tmp_path / "t.nxs")
    for name in GEOMETRY:
        np.testing.assert_allclose(getattr(after, name), getattr(before, name), rtol=0, atol=4e-16, err_msg=name)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32, np.uint16])
def test_pixels_keep_type_and_value(tmp_path, dtype):
    images = np.random.default_rng(1).uniform(0, 1e4, (1, 40, 50)).astype(dtype)
    write_nexus(tmp_path / "t.nxs", exposure_of(DetectorConvention.MOSFLM, images=images, mask=None))
    after = read_nexus(tmp_path / "t.nxs")
    assert after.images.dtype == dtype
    np.testing.assert_array_equal(after.images, images)
    assert after.mask is None


def test_images_are_compressed_one_by_one(tmp_path):
    images = np.zeros((4, 200, 300), np.float32)
    images[:, 50, 60] = 5
    write_nexus(tmp_path / "t.nxs", exposure_of(DetectorConvention.MOSFLM, images=images, mask=None))
    with h5py.File(tmp_path / "t.nxs") as file:
        assert file["entry/data/data"].chunks == (1, 200, 300)
    assert (tmp_path / "t.nxs").stat().st_size < images.nbytes / 10


def test_images_and_mask_are_compressed_by_filters_that_every_hdf5_library_has(tmp_path):
    write_nexus(tmp_path / "t.nxs", exposure_of(DetectorConvention.MOSFLM))
    with h5py.File(tmp_path / "t.nxs") as file:
        for path in ("entry/data/data", "entry/instrument/detector/pixel_mask"):
            assert (file[path].compression, file[path].shuffle) == ("gzip", True)


def test_a_surface_has_a_thickness_above_zero_in_the_file_and_none_when_read(tmp_path):
    write_nexus(tmp_path / "t.nxs", exposure_of(DetectorConvention.MOSFLM, sensor_thickness_m=0.0))
    with h5py.File(tmp_path / "t.nxs") as file:
        assert 0 < file["entry/instrument/detector/sensor_thickness"][()] < 1e-8
    assert read_nexus(tmp_path / "t.nxs").sensor_thickness_m == 0


DETECTOR = "entry/instrument/detector"


@pytest.mark.parametrize("left", ["module_offset", "depends_on"])
def test_pixel_directions_that_depend_on_nothing_leave_the_place_to_the_module_or_the_detector(tmp_path, left):
    before = exposure_of(DetectorConvention.XDS)
    write_nexus(tmp_path / "t.nxs", before)
    with h5py.File(tmp_path / "t.nxs", "r+") as file:
        for name in ("fast", "slow"):
            file[f"{DETECTOR}/module/{name}_pixel_direction"].attrs["depends_on"] = "."
        if left == "depends_on":
            del file[f"{DETECTOR}/module/module_offset"]
    after = read_nexus(tmp_path / "t.nxs")
    assert (after.origin_m, after.distance_m) == (before.origin_m, before.distance_m)
    with h5py.File(tmp_path / "t.nxs", "r+") as file:
        for path in (f"{DETECTOR}/module/module_offset", f"{DETECTOR}/depends_on"):
            if path in file:
                del file[path]
    with pytest.raises(ValueError, match="the place of the detector is not known"):
        read_nexus(tmp_path / "t.nxs")


def test_oblong_pixels_and_directions_at_two_places_are_refused(tmp_path):
    write_nexus(tmp_path / "t.nxs", exposure_of(DetectorConvention.XDS))
    with h5py.File(tmp_path / "t.nxs", "r+") as file:
        file[f"{DETECTOR}/module/slow_pixel_direction"][()] = 100e-6
    with pytest.raises(ValueError, match=r"0\.000172 x 0\.0001 m are no squares"):
        read_nexus(tmp_path / "t.nxs")
    with h5py.File(tmp_path / "t.nxs", "r+") as file:
        file[f"{DETECTOR}/module/slow_pixel_direction"].attrs["depends_on"] = "."
    with pytest.raises(ValueError, match="depend on different transformations"):
        read_nexus(tmp_path / "t.nxs")


def test_stills_are_read_without_a_goniometer_and_with_the_first_wavelength_and_a_warning(tmp_path, caplog):
    before = exposure_of(DetectorConvention.XDS, phi_width_deg=0.0)
    with creating(tmp_path / "t.nxs") as file:
        write_sweep(file, before, 3, "shots", [1.0, 1.1, 1.2])[:] = before.images
    after = read_nexus(tmp_path / "t.nxs")
    assert (after.phi_start_deg, after.phi_width_deg, after.wavelength_A) == (0, 0, 1.0)
    np.testing.assert_array_equal(after.images, before.images)
    assert "3 images have wavelengths from 1 to 1.2" in caplog.text


def test_mcstas_axes_are_right_handed_with_z_along_the_beam_and_x_along_the_e_vector():
    for convention in DetectorConvention:
        before = exposure_of(convention)
        axes = mcstas_axes(before)
        np.testing.assert_array_equal(axes @ before.beam, (0, 0, 1))
        np.testing.assert_array_equal(axes @ before.polarization, (1, 0, 0))
        assert np.linalg.det(axes) == 1


def test_the_file_has_what_readers_of_the_field_ask_for(tmp_path):
    before = exposure_of(DetectorConvention.MOSFLM)
    write_nexus(tmp_path / "t.nxs", before)
    with h5py.File(tmp_path / "t.nxs") as file:
        classes = {
            "entry": "NXentry", "entry/data": "NXdata", "entry/sample": "NXsample", "entry/source": "NXsource",
            "entry/instrument": "NXinstrument", "entry/instrument/beam": "NXbeam",
            "entry/instrument/detector": "NXdetector", "entry/instrument/detector/module": "NXdetector_module",
            "entry/instrument/detector/transformations": "NXtransformations",
            "entry/sample/transformations": "NXtransformations",
        }  # fmt: skip
        assert {path: file[path].attrs["NX_class"].decode() for path in classes} == classes
        assert file["entry/definition"].asstr()[()] == "NXmx"
        detector = file["entry/instrument/detector"]
        assert detector["distance"][()] == pytest.approx(before.distance_m)
        assert detector["distance"].attrs["units"] == b"m"
        assert (detector["beam_center_x"][()], detector["beam_center_y"][()]) == pytest.approx(before.beam_centre_px)
        np.testing.assert_array_equal(detector["pixel_mask"][()] == 0, before.mask)
        assert detector["saturation_value"][()] == 65535
        assert file["entry/instrument/beam/incident_wavelength"].attrs["units"] == b"angstrom"
        assert file["entry/instrument/beam/incident_polarisation_stokes"][()].tolist() == [1, 0.987, 0, 0]
        np.testing.assert_allclose(file["entry/sample/transformations/phi"][()], [12.3, 12.4, 12.5])
        np.testing.assert_allclose(file["entry/sample/transformations/phi_end"][()], [12.4, 12.5, 12.6])


def test_positions_along_the_chain_add_up_to_mcstas_coordinates(tmp_path):
    before = exposure_of(DetectorConvention.DENZO)
    write_nexus(tmp_path / "t.nxs", before)
    with h5py.File(tmp_path / "t.nxs") as file:
        module = file["entry/instrument/detector/module"]
        link, origin = module["fast_pixel_direction"].attrs["depends_on"], np.zeros(3)
        while link != b".":
            origin += file[link][()] * file[link].attrs["vector"]
            link = file[link].attrs["depends_on"]
        pixel = origin + sum(
            count * module[f"{name}_pixel_direction"][()] * module[f"{name}_pixel_direction"].attrs["vector"]
            for name, count in (("fast", 5), ("slow", 8))
        )
    laboratory = np.array(before.origin_m) + 172e-6 * (5 * np.array(before.fast) + 8 * np.array(before.slow))
    # DENZO's beam is x and its E vector z, so McStas x, y, z are laboratory z, -y, x.
    np.testing.assert_allclose(pixel, laboratory[[2, 1, 0]] * [1, -1, 1], rtol=1e-12)


def test_a_file_of_another_program_is_read_in_mcstas_coordinates(tmp_path):
    """A two-theta arm that turns a detector out of the beam, lengths in mm, images in two datasets, no laboratory."""
    path = tmp_path / "t.nxs"
    write_nexus(path, exposure_of(DetectorConvention.XDS))
    with h5py.File(path, "r+") as file:
        del file["entry/instrument/laboratory"], file["entry/data/data"], file["entry/instrument/detector/data"]
        file["entry/data/data_000001"], file["entry/data/data_000002"] = np.ones((1, 11, 13)), np.full((1, 11, 13), 2.0)
        chain = file["entry/instrument/detector/transformations"]
        for name, value in (("det_x", -1.0), ("det_y", -2.0), ("det_z", 100.0)):
            chain[name][()] = value
            chain[name].attrs["units"] = "mm"
        chain["twotheta"] = np.array([90.0])
        attributes = {"vector": [0, 1, 0], "units": "deg", "transformation_type": "rotation", "depends_on": "."}
        chain["twotheta"].attrs.update(attributes)
        chain["det_z"].attrs["depends_on"] = "twotheta"
        for name, vector in (("fast", [1, 0, 0]), ("slow", [0, 1, 0])):
            file[f"entry/instrument/detector/module/{name}_pixel_direction"].attrs["vector"] = vector
        del file["entry/sample/transformations/phi_increment_set"]
        stokes = [1.0, 0.6 * math.cos(1.0), 0.6 * math.sin(1.0), 0.0]
        file["entry/instrument/beam/incident_polarisation_stokes"][()] = stokes
    with pytest.raises(ValueError, match="beam"):
        read_nexus(path)
    with h5py.File(path, "r+") as file:
        file["entry/instrument/detector/transformations/twotheta"][()] = 30.0
    after = read_nexus(path)
    c, s = math.cos(math.pi / 6), math.sin(math.pi / 6)
    np.testing.assert_allclose(after.fast, (c, 0, -s), atol=1e-15)
    np.testing.assert_allclose(after.slow, (0, 1, 0), atol=1e-15)
    np.testing.assert_allclose(after.origin_m, (-0.001 * c + 0.1 * s, -0.002, 0.001 * s + 0.1 * c), rtol=1e-12)
    assert after.images[:, 0, 0].tolist() == [1, 2]
    assert after.phi_width_deg == pytest.approx(0.1)
    assert after.polarization_factor == pytest.approx(0.6)
    np.testing.assert_allclose(after.polarization, (math.cos(0.5), math.sin(0.5), 0), rtol=1e-12)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda file: file.__delitem__("entry/data/data"), "need at least one array"),
        (lambda file: file.__delitem__("entry/instrument/detector/module"), "0 members of class NXdetector_module"),
        (lambda file: file["entry/instrument/beam/incident_wavelength"].attrs.__setitem__("units", "ell"), "'ell'"),
        (
            lambda file: file["entry/instrument/detector/transformations/det_z"].attrs.__setitem__(
                "depends_on", "det_x"
            ),
            "depends on itself",
        ),
    ],
)
def test_an_incomplete_file_is_refused_with_its_name_and_what_is_wrong(tmp_path, spoil, message):
    write_nexus(tmp_path / "t.nxs", exposure_of(DetectorConvention.XDS))
    with h5py.File(tmp_path / "t.nxs", "r+") as file:
        spoil(file)
    with pytest.raises(ValueError, match=rf"t\.nxs: this NXmx file cannot be read \(.*{message}.*Give an NXmx file"):
        read_nexus(tmp_path / "t.nxs")


def test_what_is_no_hdf5_file_is_refused_and_a_missing_one_named(tmp_path):
    (tmp_path / "t.nxs").write_text("no HDF5")
    with pytest.raises(ValueError, match=r"t\.nxs: this NXmx file cannot be read"):
        read_nexus(tmp_path / "t.nxs")
    with pytest.raises(FileNotFoundError, match=r"NXmx file cannot be read.*nowhere\.nxs"):
        read_nexus(tmp_path / "nowhere.nxs")


def test_a_write_that_fails_leaves_the_old_file_alone(tmp_path, monkeypatch):
    path = tmp_path / "t.nxs"
    write_nexus(path, exposure_of(DetectorConvention.XDS))
    before = path.read_bytes()

    def no_room(*_):
        raise OSError("no room left")

    monkeypatch.setattr("nanobrag_torch.io.nexus._write_detector", no_room)
    with pytest.raises(OSError, match="no room left"):
        write_nexus(path, exposure_of(DetectorConvention.MOSFLM))
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
