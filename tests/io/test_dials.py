"""DIALS reads what is written: pixels, beam and spindle lie where they should, and pixels keep their values."""

import dataclasses

import numpy as np
import pytest
from dials_here import check_geometry, dials, models, needs_dials
from exposures import exposure_of

from nanobrag_torch.conventions import CONVENTIONS, DetectorConvention
from nanobrag_torch.io import write_cbf, write_nexus, write_smv
from nanobrag_torch.io.dials_import import write_import_parameters
from nanobrag_torch.io.nexus import creating, write_sweep

pytestmark = [pytest.mark.dials, needs_dials()]

NAMED = [c for c in DetectorConvention if c is not DetectorConvention.CUSTOM]
TWO_THETA = np.radians(20.0)


def standing(convention, two_theta=0.0, **changes):
    """An exposure whose detector stands square to the beam, or is turned about the spindle."""
    row = CONVENTIONS[convention]
    spindle = np.array(row.spindle)

    def turned(v):
        v, along = np.array(v), np.dot(v, spindle) * spindle
        return along + (v - along) * np.cos(two_theta) + np.cross(spindle, v) * np.sin(two_theta)

    fast, slow, normal = (turned(v) for v in (row.fast, row.slow, row.normal))
    origin = -0.0021 * fast - 0.0017 * slow + 0.1789 * normal
    fields = {
        "fast": tuple(fast), "slow": tuple(slow), "origin_m": tuple(origin), "spindle": row.spindle,
        "sensor_thickness_m": 0.0, "sensor_material": "Si",
    }  # fmt: skip
    return exposure_of(convention, **fields | changes)


SCENES = {
    f"{convention.value}-{kind}": make(convention)
    for convention in NAMED
    for kind, make in {
        "square": standing,
        "two-theta": lambda c: standing(c, TWO_THETA),
        "any": lambda c: exposure_of(c, sensor_thickness_m=0.0),
    }.items()
}


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    folder = tmp_path_factory.mktemp("read by DIALS")
    names = {}
    for name, exposure in SCENES.items():
        for suffix in (".nxs", ".cbf"):
            path = folder / f"{name.replace('-', ' ')} ü_0001{suffix}"
            names[name, suffix] = path
            write_nexus(path, exposure) if suffix == ".nxs" else write_cbf(path, exposure.single(0))
    square = SCENES["mosflm-square"].single(0)
    for suffix in (".cbf.gz", ".cbf.bz2"):
        names["mosflm-square", suffix] = folder / f"packed_0001{suffix}"
        write_cbf(names["mosflm-square", suffix], square)
    thick = standing(DetectorConvention.MOSFLM, sensor_thickness_m=450e-6)
    names["thick", ".nxs"], names["thick", ".cbf"] = folder / "thick.nxs", folder / "thick_0001.cbf"
    write_nexus(names["thick", ".nxs"], thick)
    write_cbf(names["thick", ".cbf"], thick.single(0))
    names["stills", ".nxs"] = folder / "stills.nxs"
    stills = dataclasses.replace(SCENES["xds-square"], phi_width_deg=0.0)
    with creating(names["stills", ".nxs"]) as file:
        write_sweep(file, stills, 3, "shots", [1.0, 1.1, 1.2])[:] = stills.images
    return dict(zip(names, models(*names.values()), strict=True))


@pytest.mark.parametrize("suffix", [".nxs", ".cbf"])
@pytest.mark.parametrize("name", SCENES)
def test_every_pixel_lies_where_dials_finds_it(found, name, suffix):
    exposure = SCENES[name]
    check_geometry(found[name, suffix], exposure)
    assert found[name, suffix]["oscillation"] == pytest.approx([12.3, 0.1])
    assert found[name, suffix]["images"] == (3 if suffix == ".nxs" else 1)


@pytest.mark.parametrize(("name", "suffix"), [("adxv-any", ".nxs"), ("adxv-any", ".cbf"), ("xds-two-theta", ".cbf")])
def test_pixels_keep_their_values_and_the_mask_its_place(found, name, suffix):
    exposure, good = SCENES[name], SCENES[name].mask.ravel()
    assert (exposure.images[0].ravel()[good] == 0).any(), "no photon is a count, too"
    read = found[name, suffix]
    np.testing.assert_array_equal(read["good"], good)
    np.testing.assert_array_equal(np.array(read["pixels"])[good], exposure.images[0].ravel()[good])


def test_files_in_gzip_and_bzip2_are_the_same_to_dials(found):
    plain = found["mosflm-square", ".cbf"]
    for suffix in (".cbf.gz", ".cbf.bz2"):
        assert found["mosflm-square", suffix] == plain


def test_a_square_detector_is_a_mini_cbf_and_a_turned_one_has_its_geometry_in_the_words_of_imgcif(found):
    assert found["mosflm-square", ".cbf"]["format"] == "FormatCBFMini"
    assert found["mosflm-two-theta", ".cbf"]["format"].startswith("FormatCBFFull")


def test_a_sensor_has_its_thickness_and_a_surface_one_that_moves_no_spot(found):
    for suffix in (".nxs", ".cbf"):
        assert found["thick", suffix]["thickness"] == pytest.approx(0.45)
    assert 0 < found["mosflm-square", ".nxs"]["thickness"] < 1e-5


def test_the_polarization_of_a_turned_detector_reaches_dials(found):
    fraction, normal = found["mosflm-two-theta", ".cbf"]["polarization"]
    assert fraction == pytest.approx(0.987)
    np.testing.assert_allclose(np.abs(normal), (0, 1, 0), atol=1e-12)


def test_stills_have_no_goniometer_and_each_its_wavelength(found):
    stills = found["stills", ".nxs"]
    assert (stills["images"], stills["oscillation"], stills["spindle"]) == (3, None, None)
    assert stills["wavelengths"] == pytest.approx([1.0, 1.1, 1.2])


def test_an_smv_series_is_imported_with_the_parameters_beside_it(tmp_path):
    exposure = SCENES["mosflm-two-theta"]
    for index in range(3):
        start = exposure.phi_start(index)
        write_smv(
            tmp_path / f"series_{index + 1:04d}.img", exposure.images[index], 0.172, 178.9, exposure.wavelength_A, 2, 2,
            osc_start_deg=start, osc_range_deg=0.1, beamline="fake", adc_offset=40,
        )  # fmt: skip
    write_import_parameters(tmp_path / "series.phil", exposure, pedestal=40.0)
    dials("import", *sorted(tmp_path.glob("*.img")), "series.phil", folder=tmp_path)
    (read,) = models(tmp_path / "imported.expt")
    check_geometry(read, exposure)
    assert (read["images"], read["oscillation"]) == (3, pytest.approx([12.3, 0.1]))
    assert read["polarization"][0] == pytest.approx((1 + 0.987) / 2)
    np.testing.assert_array_equal(read["pixels"], exposure.images[0].ravel() + 40)
