"""Geometry files and streams of CrystFEL, against answers that are computed by hand from the manual page."""

import os
import tracemalloc

import numpy as np
import pytest

from nanobrag_torch.io.crystfel import read_geometry, read_stream, write_geometry, write_stream
from nanobrag_torch.units import HC_EV_ANGSTROM

#: Two panels, tilted in their plane, 12.5 pixels per millimetre; values before the first panel are those of all.
GEOMETRY = """\
; a comment
photon_energy = 9.5 keV
bandwidth = 0.002
clen = 0.08            ; m
res = 12500
adu_per_eV = 0.001
max_adu = 7000
data = /entry/data
detector_shift_x = 0.5 mm
left/min_fs = 0
left/max_fs = 9
left/min_ss = 0
left/max_ss = 7
left/fs = 0.8x +0.6y
left/ss = -0.6x + 0.8 y
left/corner_x = -20.5
left/corner_y = 3
left/coffset = 0.001
right/min_fs = 0
right/max_fs = 9
right/min_ss = 8
right/max_ss = 15
right/fs = x
right/ss = -y+0.1z
right/corner_x = 5
right/corner_y = 4
right/clen = 90 mm
right/adu_per_eV = 0.002
group_one = left
group_all = one,right
bad_spot/panel = right
bad_spot/min_fs = 2
bad_spot/max_fs = 3
bad_spot/min_ss = 9
bad_spot/max_ss = 11
bad_stop/min_x = -25
bad_stop/max_x = -19.5
bad_stop/min_y = 2
bad_stop/max_y = 5
rail_direction = z
"""


def geometry_of(tmp_path, text=GEOMETRY, **options):
    (tmp_path / "t.geom").write_text(text)
    return read_geometry(tmp_path / "t.geom", **options)


def test_panels_lie_where_corner_and_expressions_place_them(tmp_path):
    left, right = geometry_of(tmp_path).panels
    np.testing.assert_allclose(left.origin_mm, (-20.5 * 0.08 + 0.5, 3 * 0.08, 81.0), rtol=0, atol=1e-12)
    np.testing.assert_allclose(right.origin_mm, (5 * 0.08 + 0.5, 4 * 0.08, 90.0), rtol=0, atol=1e-12)
    np.testing.assert_allclose(left.positions(10, 0) - left.positions(0, 0), (0.64, 0.48, 0), atol=1e-13)
    np.testing.assert_allclose(left.positions(0, 8) - left.positions(0, 0), (-0.384, 0.512, 0), atol=1e-13)
    np.testing.assert_allclose(right.positions(0, 1) - right.positions(0, 0), (0, -0.08, 0.008), atol=1e-13)
    assert right.pixel_mm == pytest.approx((0.08, 0.08 * np.sqrt(1.01)))
    assert (left.size, left.slab, right.slab) == ((10, 8), (0, 0), (0, 8))


def test_wavelength_gain_and_saturation_are_those_of_the_file(tmp_path):
    found = geometry_of(tmp_path)
    assert found.beam.wavelength_A == pytest.approx(HC_EV_ANGSTROM / 9500, rel=1e-12)
    assert (found.beam.bandwidth, found.beam.direction) == (0.002, (0.0, 0.0, 1.0))
    assert [panel.gain for panel in found.panels] == pytest.approx([9.5, 19.0])
    assert found.panels[0].trusted[1] == 7000
    assert (found.panels[0].carried["data"], found.carried["rail_direction"]) == ("/entry/data", "z")


def test_bad_regions_hide_pixels_in_panel_coordinates_and_along_x_and_y(tmp_path):
    left, right = geometry_of(tmp_path).panels
    spot = np.ones((8, 10), bool)
    spot[1:4, 2:4] = False
    np.testing.assert_array_equal(right.counting(), spot)
    bad = np.zeros((8, 10), bool)
    for s in range(8):
        for f in range(10):
            x = -20.5 + 0.8 * (f + 0.5) - 0.6 * (s + 0.5) + 0.5 * 12.5
            y = 3 + 0.6 * (f + 0.5) + 0.8 * (s + 0.5)
            bad[s, f] = -25 <= x <= -19.5 and 2 <= y <= 5
    good = left.counting()
    np.testing.assert_array_equal(np.ones_like(bad) if good is None else good, ~bad)


def test_groups_hold_their_panels_and_stand_about_their_centres(tmp_path):
    found = geometry_of(tmp_path)
    assert [(group.name, group.parent) for group in found.groups] == [("all", ""), ("one", "all")]
    assert [panel.group for panel in found.panels] == ["one", "all"]
    np.testing.assert_allclose(found.groups[1].origin_mm, found.panels[0].positions(5, 4))


def test_a_written_geometry_places_every_pixel_where_it_was(tmp_path):
    before = geometry_of(tmp_path)
    write_geometry(tmp_path / "out.geom", before)
    after = read_geometry(tmp_path / "out.geom")
    assert after.beam.wavelength_A == pytest.approx(before.beam.wavelength_A, rel=1e-15)
    for one, other in zip(before.panels, after.panels, strict=True):
        grid = (0, 5, 10, 0, 10), (0, 4, 0, 8, 8)
        np.testing.assert_allclose(other.positions(*grid), one.positions(*grid), rtol=0, atol=1e-10)
        assert (other.gain, other.slab, other.group) == (pytest.approx(one.gain), one.slab, one.group)
        np.testing.assert_array_equal(other.counting(), one.counting())


LOCATED = GEOMETRY.replace("clen = 0.08            ; m", "clen = /LCLS/z mm")


def test_a_location_in_the_image_files_takes_the_value_that_is_given(tmp_path):
    assert geometry_of(tmp_path, LOCATED, values={"/LCLS/z": 80.0}).panels[0].origin_mm[2] == pytest.approx(81.0)
    with pytest.raises(ValueError, match=r"line 4, clen = /LCLS/z mm: .*values=\{'/LCLS/z': \.\.\.\}"):
        geometry_of(tmp_path, LOCATED)
    for text, known in ((LOCATED, "/LCLS/z"), (GEOMETRY, "none")):
        with pytest.raises(ValueError, match=rf"values\['clen'\]: must be of a location .*: {known}"):
            geometry_of(tmp_path, text, values={"clen": 0.1})


REFUSED = {
    "fs = 0.8x +0.6y": ("fs = 0.8x +0.6w", "line 14, left/fs = 0.8x .0.6w: must be a sum of x, y and z"),
    "left/max_fs = 9\n": ("", "panel 'left' has no max_fs"),
    "right/corner_x = 5": ("right/corner_x", "line 25, 'right/corner_x': must be an assignment"),
    "max_adu = 7000": ("max_adu = lots", "line 7, max_adu = lots: must be a number"),
    "res = 12500": ("res = 0", "line 5, res = 0: must be greater than 0"),
    "photon_energy = 9.5 keV": ("electron_voltage = 200 kV", "electrons scatter by other laws"),
    "data = /entry/data": ("wibble = 3", "line 8, wibble = 3: must be left out: 'wibble' is not known"),
    "group_one = left": ("group_one = middle", "line 29, group_one = middle: .*'middle' is neither"),
    "bad_stop/max_y = 5\n": ("", "one of four limits of a bad region"),
    "left/ss = -0.6x + 0.8 y": ("left/ss = 0.8x + 0.6y", "panel 'left'.*perpendicular"),
    "left/max_fs = 9": ("left/max_fs = -3", "left/max_fs = -3: must be a whole number"),
    "adu_per_eV = 0.001": ("adu_per_eV = 0.001\nadu_per_photon = 3", "adu_per_eV and adu_per_photon"),
}


@pytest.mark.parametrize("old", REFUSED)
def test_a_line_that_cannot_be_read_is_refused_by_its_number(tmp_path, old):
    new, expected = REFUSED[old]
    assert GEOMETRY.count(old) >= 1
    with pytest.raises(ValueError, match=expected) as error:
        geometry_of(tmp_path, GEOMETRY.replace(old, new, 1))
    assert str(error.value).startswith(str(tmp_path / "t.geom"))


def test_a_named_pipe_is_refused_before_anyone_waits_for_it(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for read in (read_geometry, read_stream):
        with pytest.raises(ValueError, match=r"pipe: a .* must be an ordinary file"):
            read(tmp_path / "pipe")


def chunk(serial, crystals=1):
    """An image of a stream with crystals whose a* counts them."""
    blocks = [
        f"--- Begin crystal\nCell parameters 4.0 5.0 6.0 nm, 90.0 90.0 90.0 deg\n"
        f"astar = +0.25 +0.0 {serial / 1e6:+.7f} nm^-1\nbstar = +0.0 +0.2 +0.0 nm^-1\n"
        "cstar = -0.01 +0.0 +0.1666 nm^-1\ncentering = P\n"
        f"predict_refine/det_shift x = {0.1 * number:.3f} y = -0.200 mm\n"
        "Reflections measured after indexing\n   h    k    l          I   sigma(I)\n"
        "   1    2    3     100.0        3.0\n"
        "End of reflections\n--- End crystal\n"
        for number in range(1, crystals + 1)
    ]
    return (
        f"----- Begin chunk -----\nImage filename: run.cxi\nEvent: //{serial}\nImage serial number: {serial}\n"
        f"photon_energy_eV = {9000 + serial % 100}\naverage_camera_length = 0.1 m\nPeaks from peak search\n"
        f"  fs/px   ss/px\nEnd of peak list\n{''.join(blocks)}----- End chunk -----\n"
    )


HEAD = (
    "CrystFEL stream format 2.3\nGenerated by CrystFEL 0.10.2\n----- Begin geometry file -----\n{}"
    "----- End geometry file -----\n"
)


def stream_of(tmp_path, *chunks, geometry=GEOMETRY):
    (tmp_path / "t.stream").write_text(HEAD.format(geometry) + "".join(chunks))
    return read_stream(tmp_path / "t.stream")


def test_crystals_of_a_stream_are_in_angstrom_and_move_the_detector_that_was_refined_with_them(tmp_path):
    found = list(stream_of(tmp_path, chunk(7, crystals=2), chunk(8)).experiments())
    assert len(found) == 3
    np.testing.assert_allclose(
        found[0].crystal.stars(), [[0.025, 0, 7e-7], [0, 0.02, 0], [-0.001, 0, 0.01666]], atol=1e-15
    )
    assert [each.identifier for each in found] == ["run.cxi////7", "run.cxi////7 #1", "run.cxi////8"]
    plain = geometry_of(tmp_path).panels[0].origin_mm
    for each, x in zip(found, (0.1, 0.2, 0.1), strict=True):
        np.testing.assert_allclose(each.panels[0].origin_mm, (plain[0] + x, plain[1] - 0.2, plain[2]), atol=1e-12)


def test_energy_and_camera_length_of_a_shot_stand_for_locations_alone(tmp_path):
    located = LOCATED.replace("photon_energy = 9.5 keV", "photon_energy = /LCLS/energy eV")
    (shot,) = stream_of(tmp_path, chunk(7), geometry=located).experiments()
    assert shot.beam.wavelength_A == pytest.approx(HC_EV_ANGSTROM / 9007)
    assert shot.panels[0].origin_mm[2] == pytest.approx(101.0)
    (shot,) = stream_of(tmp_path, chunk(7)).experiments()
    assert shot.beam.wavelength_A == pytest.approx(HC_EV_ANGSTROM / 9500)


def test_a_written_stream_gives_every_crystal_back(tmp_path):
    before = list(stream_of(tmp_path, chunk(1), chunk(2)).experiments())
    write_stream(tmp_path / "out.stream", before)
    after = list(read_stream(tmp_path / "out.stream").experiments())
    for one, other in zip(before, after, strict=True):
        np.testing.assert_allclose(other.crystal.stars(), one.crystal.stars(), rtol=0, atol=1e-14)
        np.testing.assert_allclose(other.panels[1].positions(3, 4), one.panels[1].positions(3, 4), atol=1e-9)
        assert (other.images, other.carried["event"]) == (one.images, one.carried["event"])


def test_a_long_stream_is_read_in_bounded_memory(tmp_path):
    with (tmp_path / "t.stream").open("w") as file:
        file.write(HEAD.format(GEOMETRY))
        for serial in range(1000):
            file.write(chunk(serial))
    stream, sizes, count = read_stream(tmp_path / "t.stream"), [], 0
    tracemalloc.start()
    try:
        for count, _ in enumerate(stream, 1):
            if count in (200, 1000):
                sizes.append(tracemalloc.get_traced_memory()[1])
                tracemalloc.reset_peak()
    finally:
        tracemalloc.stop()
    assert count == 1000
    assert (tmp_path / "t.stream").stat().st_size > 500_000
    assert sizes[1] < sizes[0] + 100_000


CUT = {
    "bstar = +0.0 +0.2 +0.0 nm^-1\n": "must be preceded by astar, bstar and cstar",
    "--- End crystal\n": "before the end of the crystal|the end of the crystal before",
    "----- End chunk -----\n": "it ends after line .*, before the end of the chunk",
}


@pytest.mark.parametrize("cut", CUT)
def test_a_damaged_stream_is_refused_at_its_line(tmp_path, cut):
    with pytest.raises(ValueError, match=CUT[cut]):
        list(stream_of(tmp_path, chunk(1).replace(cut, "")))


def test_a_stream_without_geometry_says_what_to_read(tmp_path):
    (tmp_path / "t.stream").write_text("CrystFEL stream format 2.3\n" + chunk(1))
    with pytest.raises(ValueError, match="no geometry: read a stream that indexamajig wrote"):
        list(read_stream(tmp_path / "t.stream").experiments())
