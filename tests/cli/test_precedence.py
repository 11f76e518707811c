"""Precedence of defaults, headers and options."""

import math

import pytest

from nanobrag_torch.cli.errors import CommandError
from nanobrag_torch.cli.parse import parse
from nanobrag_torch.cli.precedence import configure, settings_of
from nanobrag_torch.cli.prepare import prepare
from nanobrag_torch.config import DetectorPivot

CELL = "-cell 70 80 90 75 85 95 -default_F 1"
PANEL = f"{CELL} -detpixels_f 60 -detpixels_s 40 -pixel 0.5"


def configured(text):
    return configure(settings_of(parse(text.split())))


@pytest.mark.parametrize(
    ("words", "pixels"),
    [
        ("", (1024, 1024)),
        ("-detsize 20 -pixel 0.5", (40, 40)),
        ("-detsize_f 20 -detsize_s 10 -pixel 0.5", (40, 20)),
        ("-detsize 20.2 -pixel 0.5", (40, 40)),
        ("-detsize 20.3 -pixel 0.5", (41, 41)),
        ("-detsize 20 -detpixels 7", (7, 7)),
        ("-detpixels 7 -detsize 20", (7, 7)),
        ("-detpixels_x 7 -detsize 20 -pixel 0.5", (7, 40)),
    ],
)
def test_pixel_counts_override_sizes(words, pixels):
    detector = configured(f"{CELL} {words}").detector
    assert (detector.fpixels, detector.spixels) == pixels


@pytest.mark.parametrize(
    ("words", "xy", "fast_slow"),
    [
        ("-mosflm", (10.25, 15.25), (15.25, 10.25)),
        ("-denzo", (10.25, 15.25), (15.25, 10.25)),
        ("-adxv", (15.25, 9.75), (15.25, 10.25)),
        ("-xds", (15.0, 10.0), (15.0, 10.0)),
        ("-dials", (15.0, 10.0), (15.0, 10.0)),
        ("-odet_vector 1 0 0", (15.0, 10.0), (15.0, 10.0)),
        ("-mosflm -Xbeam 3", (3.0, 15.25), (15.25, 3.0)),
        ("-adxv -Ybeam 3", (15.25, 3.0), (15.25, 17.0)),
        ("-xds -Xclose 3", (3.0, 10.0), (3.0, 10.0)),
        ("-xds -ORGX 10.5", (5.0, 10.0), (5.0, 10.0)),
        ("-mosflm -Xclose 3 -ORGY 4", (10.25, 15.25), (15.25, 10.25)),
    ],
)
def test_the_beam_centre_follows_the_convention(words, xy, fast_slow):
    conf = configured(f"{PANEL} {words}")
    assert conf.camera.beam_center == pytest.approx(xy)
    assert (conf.detector.beam_center_f, conf.detector.beam_center_s) == pytest.approx(fast_slow)


@pytest.mark.parametrize(
    ("words", "foot"),
    [("", (15.0, 10.0)), ("-xds -ORGX 10.5 -ORGY 4.5", (5.0, 2.0)), ("-xds -Xclose 3", (15.0, 10.0)),
     ("-xds -Xbeam 3", (15.0, 10.0)), ("-odet_vector 1 0 0 -Xclose 3", (3.0, 10.0))],
)  # fmt: skip
def test_the_normal_meets_the_detector_where_c_puts_it(words, foot):
    detector = configured(f"{PANEL} {words}").detector
    assert (detector.near_point_f_mm, detector.near_point_s_mm) == pytest.approx(foot)


def test_the_axis_of_an_earlier_custom_convention_is_dropped_with_it():
    custom = configured(f"{PANEL} -twotheta_axis 1 0 0").detector
    named = configured(f"{PANEL} -twotheta_axis 1 0 0 -mosflm").detector
    assert list(custom.twotheta_axis) == [1, 0, 0]
    assert list(named.twotheta_axis) == [0, 0, -1]


@pytest.mark.parametrize(
    ("words", "pivot"),
    [("-twotheta 5", DetectorPivot.SAMPLE), ("-twotheta 5 -distance 100", DetectorPivot.BEAM),
     ("-distance 100 -pivot sample", DetectorPivot.SAMPLE), ("-dials", DetectorPivot.BEAM)],
)  # fmt: skip
def test_the_last_option_that_requests_a_pivot_wins(words, pivot):
    assert configured(f"{PANEL} {words}").detector.detector_pivot is pivot


@pytest.mark.parametrize(
    ("words", "cell"),
    [("-cell 60", (60, 60, 60, 90, 90, 90)), ("-cell 60 70", (60, 70, 60, 90, 90, 90)),
     ("-cell 60 0 80 0 95", (60, 60, 80, 90, 95, 90))],
)  # fmt: skip
def test_missing_cell_parameters_are_filled(words, cell):
    c = configured(f"-default_F 1 {words}").crystal
    assert (c.cell_a, c.cell_b, c.cell_c, c.cell_alpha, c.cell_beta, c.cell_gamma) == cell


@pytest.mark.parametrize(
    ("words", "cells"),
    [
        ("-N 5", (5, 5, 5)),
        ("-N 5 -Nb 7", (5, 7, 5)),
        ("-N 0 -Nc -3", (1, 1, 1)),
        ("-N 5 -sample_x 3.55e-5", (6, 5, 5)),
        ("-xtalsize 3.55e-5", (6, 5, 4)),
        ("-xtalsize 3.55e-5 -beamsize 2e-5", (6, 3, 3)),
    ],
)
def test_sizes_override_numbers_of_cells_within_the_beam(words, cells):
    assert configured(f"{CELL} {words}").crystal.N_cells == cells


@pytest.mark.filterwarnings("error")
def test_a_number_of_cells_beyond_the_beam_is_taken_as_it_is_as_in_c():
    conf = configured("-cell 100 -N 20000 -beamsize 0.1 -default_F 1 -oversample 1")
    prepared = prepare(conf)
    assert conf.crystal.N_cells == (20000, 20000, 20000) and not conf.notices
    assert prepared.scene.lattice.cells.tolist() == [20000.0] * 3


@pytest.mark.parametrize("angles", ["90 90 90", "75 85 95", "60 60 60"])
def test_a_size_of_a_whole_number_of_cells_holds_that_number_but_in_c(angles):
    """C takes one more or not, as its rounding falls."""
    words = f"-default_F 1 -cell 80 90 100 {angles} -xtalsize 3.6e-5 -compat"
    assert configured(f"{words} physical").crystal.N_cells == (5, 4, 4)
    a, b, _ = configured(f"{words} c").crystal.N_cells
    assert a == 5 and b in (4, 5)


@pytest.mark.parametrize(("compat", "count"), [("physical", 7), ("c", 8)])
def test_a_sweep_of_a_whole_number_of_steps_has_that_number_but_in_c(compat, count):
    words = f"-default_F 1 -cell 80 90 100 90 90 90 -osc 2.1 -phistep 0.3 -compat {compat}"
    assert configured(words).crystal.phi_steps == count


def test_clipping_by_the_beam_is_announced():
    notices = configured(f"{CELL} -xtalsize 0.3 -beamsize 0.2").notices
    assert notices == (
        "WARNING: clipping sample (0.0003 m high) with beam (0.0002 m)",
        "WARNING: clipping sample (0.0003 m wide) with beam (0.0002 m)",
    )


@pytest.mark.parametrize(
    ("words", "interpolated"),
    [
        ("-N 5", False),
        ("-N 5 -Nb 2", True),
        ("-N 5 -interpolate", True),
        ("-N 1 -nointerpolate", False),
        ("-xtalsize 1e-3", True),
        ("-xtalsize 1e-3 -compat physical", False),
    ],
)
def test_interpolation_is_decided_before_sizes_become_cells_in_c_only(words, interpolated):
    assert configured(f"{CELL} {words}").crystal.interpolate is interpolated


@pytest.mark.parametrize(
    ("words", "domains", "notice"),
    [
        ("", 1, None),
        ("-mosaic 0.5", 10, "upping to 10"),
        ("-mosaic 0.5 -mosaic_dom 4", 4, None),
        ("-mosaic_dom 4", 1, "using one"),
        ("-mosaic 0 -mosaic_dom 4", 1, "using one"),
    ],
)
def test_mosaic_domains_need_a_spread(words, domains, notice):
    conf = configured(f"{CELL} {words}")
    assert conf.crystal.mosaic_domains == domains
    assert (conf.mosaic_notice is None) == (notice is None)
    assert (notice or "") in (conf.mosaic_notice or "")


@pytest.mark.parametrize(
    ("words", "eta", "domains"),
    [
        ("-mosaic_eta 0.1", (0.1, 0.1, 0.1), 10),
        ("-mosaic_eta_abc 0.1 0.2 0.3 -mosaic_dom 6", (0.1, 0.2, 0.3), 6),
        ("-mosaic_eta 0.1 -mosaic_eta_abc 0.1 0.2 0", (0.1, 0.2, 0.0), 10),
    ],
)
def test_a_gaussian_mosaicity_is_asked_for_by_its_widths(words, eta, domains):
    conf = configured(f"{CELL} {words}")
    crystal = conf.crystal
    assert (crystal.mosaic_model, crystal.mosaic_eta_deg) == ("gaussian", eta)
    assert (crystal.mosaic_domains, crystal.mosaic_spread_deg, conf.mosaic_notice) == (domains, 0.0, None)


def test_a_flux_decides_the_fluence_whatever_the_order():
    for words in (
        "-flux 1e12 -fluence 5 -exposure 0.5 -beamsize 0.02",
        "-fluence 5 -beamsize 0.02 -exposure 0.5 -flux 1e12",
    ):
        assert configured(f"{CELL} {words}").beam.fluence == pytest.approx(1e12 * 0.5 / 2e-5**2)


def test_exposure_and_beam_size_alone_change_nothing():
    assert configured(f"{CELL} -fluence 5 -exposure 2 -beamsize 1").beam.fluence == 5


def test_seeds_come_from_the_clock_where_none_is_given(monkeypatch):
    monkeypatch.setattr("time.time", lambda: 1234567890.7)
    conf = configured(f"{CELL} -misset random")
    assert (conf.noise.seed, conf.crystal.misset_seed) == (1234567890, 1234567890)
    conf = configured(f"{CELL} -misset random -misset_seed 5 -seed 6")
    assert (conf.noise.seed, conf.crystal.misset_seed) == (6, 5)


def test_the_default_roi_is_reported_up_to_one_past_the_last_pixel():
    conf = configured(f"{PANEL} -roi 3 -1 -1 9999")
    assert conf.roi == (3, 60, 0, 9999)
    assert conf.detector.roi() == ((0, 39), (3, 59))


def test_a_matrix_is_divided_by_the_final_wavelength_and_keeps_the_size_of_a_given_cell(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "A.mat").write_text("0.02 0 0  0 0.025 0  0 0 0.0125")
    crystal = configured("-mat A.mat -default_F 1 -lambda 2").crystal
    assert list(crystal.mosflm_a_star) == [0.01, 0, 0]
    assert not crystal.rescale_matrix_to_cell
    assert configured("-default_F 1 -mat A.mat -cell 50 60 70 -lambda 2").crystal.rescale_matrix_to_cell


def test_a_source_list_overrides_divergence(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "s.txt").write_text("-3 0 4 2 1.1e-10\n-5 0 0\n")
    conf = configured(f"{CELL} -divergence 5 -sourcefile s.txt -lambda 1.3")
    assert conf.beam.source_directions.tolist() == [[-0.6, 0, 0.8], [-1, 0, 0]]
    assert conf.beam.source_wavelengths.tolist() == pytest.approx([1.1e-10, 1.3e-10])
    assert conf.sources.weights.tolist() == [2, 1]


def test_strict_c_is_part_of_the_rules_that_a_result_records():
    compat = configured(f"{CELL} -strict_c").compat
    assert (compat.name, compat.strict_c_files) == ("c+strict_c", True)
    assert compat.cell_construction == "c"


@pytest.mark.parametrize("words", ["", "-mosaic 1"])
def test_a_crystal_needs_a_cell_or_a_matrix(words):
    with pytest.raises(CommandError, match="-mat"):
        configured(f"-default_F 1 {words}")


def test_a_range_and_a_step_become_a_number_of_phi_steps():
    crystal = configured(f"{CELL} -phi 3 -osc 1 -phistep 0.3").crystal
    assert (crystal.phi_start_deg, crystal.phi_steps) == (3.0, math.ceil(1 / 0.3))
    assert (crystal.osc_range_deg, crystal.phi_step_deg) == (1.0, 0.3)
