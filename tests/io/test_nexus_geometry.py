"""Geometry of NXmx files of several modules: what is written comes back, and chains mean what NeXus says."""

import h5py
import numpy as np
import pytest
from exposures import exposure_of

from nanobrag_torch.conventions import DetectorConvention
from nanobrag_torch.io import read_nexus, write_nexus
from nanobrag_torch.io.description import (
    BeamDescription,
    CrystalDescription,
    Description,
    GoniometerDescription,
    GroupDescription,
    PanelDescription,
    ScanDescription,
)
from nanobrag_torch.io.frames import about, as_vector
from nanobrag_torch.io.nexus_geometry import read_nexus_geometry
from nanobrag_torch.io.nexus_geometry_writer import write_nexus_geometry

AXIS = as_vector(np.array([1.0, 2.0, 2.0]) / 3)


def experiment(**changes):
    turn = about(AXIS, 35.0)
    fast, slow, normal = (as_vector(axis) for axis in turn.T)
    place = np.array(normal) * 120
    panels = tuple(
        PanelDescription(
            name, (8, 6), (0.1, 0.12), as_vector(place + shift * np.array([9.0, 1.0, 3.0])), fast, slow, group=group,
            thickness_mm=0.3, material="Si", bad=((0, 0, 2, 3),), trusted=(-5.0, 1000.0),
        )
        for shift, (name, group) in enumerate((("a", "arm"), ("b", "arm"), ("c", "tip"), ("d", "tip")))
    )  # fmt: skip
    fields = {
        "frame": "McStas",
        "beam": BeamDescription(0.9, (0.0, 0.0, 1.0), (0.6, 0.8, 0.0), 0.97, flux=1e11),
        "panels": panels,
        "groups": (
            GroupDescription("arm", origin_mm=(1.0, 2.0, 90.0), fast=slow, slow=normal),
            GroupDescription("tip", "arm", (4.0, 2.0, 95.0)),
        ),
        "goniometer": GoniometerDescription(((1.0, 0.0, 0.0), AXIS), (0.0, 25.0), ("omega", "chi"), 0),
        "scan": ScanDescription((1, 3), 10.0, 0.5, (0.2, 0.2, 0.2)),
        "crystal": CrystalDescription(((30.0, 1.0, 2.0), (3.0, 40.0, 4.0), (-5.0, 6.0, 50.0))),
    }
    return Description(**fields | changes)


def written(tmp_path, each):
    write_nexus_geometry(tmp_path / "t.nxs", each)
    return read_nexus_geometry(tmp_path / "t.nxs")


def test_modules_goniometer_and_crystal_come_back_where_they_were(tmp_path):
    before, after = experiment(), written(tmp_path, experiment())
    for one, other in zip(before.panels, after.panels, strict=True):
        grid = (0, 8, 0, 8), (0, 0, 6, 6)
        np.testing.assert_allclose(other.positions(*grid), one.positions(*grid), rtol=0, atol=1e-9)
        assert (other.size, other.thickness_mm, other.material) == (one.size, pytest.approx(0.3), "Si")
        assert other.trusted == one.trusted
        np.testing.assert_array_equal(other.counting(), one.counting())
    assert len({panel.group for panel in after.panels}) == len(after.groups) == 2
    assert after.goniometer.names == ("omega", "chi")
    for mine, theirs in zip(before.goniometer.rotations(), after.goniometer.rotations(), strict=True):
        np.testing.assert_allclose(theirs, mine, atol=1e-14)
    assert (after.scan.start_deg, after.scan.width_deg, after.scan.images) == (10.0, 0.5, 3)
    np.testing.assert_allclose(after.direct_at_start(), before.direct_at_start(), atol=1e-12)
    assert (after.beam.wavelength_A, after.beam.polarized) == (0.9, pytest.approx(0.97))
    np.testing.assert_allclose(after.beam.polarization, (0.6, 0.8, 0.0), atol=1e-14)


def test_the_matrix_of_a_still_is_that_at_the_zero_of_its_angles(tmp_path):
    still = experiment(scan=ScanDescription((1, 1), 10.0, 0.0))
    after = written(tmp_path, still)
    np.testing.assert_allclose(after.crystal.direct_A, still.crystal.direct_A, atol=1e-12)
    with h5py.File(tmp_path / "t.nxs") as file:
        stars = file["/entry/sample/ub_matrix"][0].T
    np.testing.assert_allclose(
        stars @ (about(AXIS, 25.0) @ about((1, 0, 0), 10.0)).T, still.crystal.stars(), atol=1e-14
    )


def test_an_image_with_its_crystal_has_the_crystal_in_both_readers(tmp_path):
    """In the frame of the writer, and in McStas': z along the beam, x along the E vector."""
    stars = np.array([[0.02, 0.001, 0.0], [0.0, 0.015, 0.002], [0.003, 0.0, 0.01]])
    before = exposure_of(DetectorConvention.MOSFLM, stars=stars, mask=None)
    write_nexus(tmp_path / "t.nxs", before)
    np.testing.assert_allclose(read_nexus(tmp_path / "t.nxs").stars, stars, atol=1e-16)
    found = read_nexus_geometry(tmp_path / "t.nxs").crystal.stars()
    np.testing.assert_allclose(found @ (0, 0, 1), stars @ before.beam, atol=1e-16)
    np.testing.assert_allclose(found @ (1, 0, 0), stars @ before.polarization, atol=1e-16)


def test_what_differs_between_modules_and_has_one_place_is_refused_before_a_file_is_made(tmp_path):
    a, *rest = experiment().panels
    for changes, expected in (
        ({"thickness_mm": 0.4}, r"panel 'b': thickness_mm = 0\.3 must be that of panel 'a'"),
        ({"gain": 2.0}, "panel 'a': an NXmx file has no gain"),
    ):
        fields = {name: getattr(a, name) for name in a.__dataclass_fields__} | changes
        with pytest.raises(ValueError, match=expected):
            write_nexus_geometry(tmp_path / "t.nxs", experiment(panels=(PanelDescription(**fields), *rest)))
    setting = tuple(about((0, 0, 1), 5.0).ravel())
    turned = GoniometerDescription(((1.0, 0.0, 0.0),), setting=setting)
    with pytest.raises(ValueError, match=r"goniometer.fixed, goniometer.setting"):
        write_nexus_geometry(tmp_path / "t.nxs", experiment(goniometer=turned))
    assert list(tmp_path.iterdir()) == []


def damage(file, path, value):
    del file[path]
    if value is not None:
        file[path] = value


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("/entry/definition", "NXsas", "its definition is 'NXsas'"),
        ("/entry/instrument/beam", None, "has no NXbeam"),
        ("/entry/instrument/beam/incident_wavelength", [1.0, 1.1], "must be one wavelength, not 2"),
        ("/entry/sample/ub_matrix", np.zeros((1, 3, 3)), "nine numbers that span a cell"),
        ("/entry/instrument/detector/module_000/data_size", [0, 8], "at least one pixel"),
        ("/entry/instrument/detector/pixel_mask", np.zeros((3, 3), np.uint32), "must hold every module"),
    ],
)
def test_a_damaged_member_is_refused_by_its_path(tmp_path, path, value, expected):
    write_nexus_geometry(tmp_path / "t.nxs", experiment())
    with h5py.File(tmp_path / "t.nxs", "r+") as file:
        damage(file, path, value)
    with pytest.raises(ValueError, match=expected) as error:
        read_nexus_geometry(tmp_path / "t.nxs")
    assert str(error.value).startswith(str(tmp_path))
