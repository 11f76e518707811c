"""Options of experiment files: what goes in, what comes out, and what is refused."""

import csv
import os

import numpy as np
import pytest

from nanobrag_torch.io.crystfel import read_geometry
from nanobrag_torch.io.dials import read_experiments
from nanobrag_torch.io.nexus_geometry import read_nexus_geometry

PANEL = (
    "{0}/min_fs = 0\n{0}/max_fs = 9\n{0}/min_ss = {1}\n{0}/max_ss = {2}\n{0}/fs = +x\n{0}/ss = +y\n"
    "{0}/corner_x = {3}\n{0}/corner_y = -4\n"
)
HEAD = "photon_energy = 9000 eV\nclen = 0.1 m\nres = 2000\nadu_per_photon = 2\nmax_adu = 100\n"
ONE, TWO = HEAD + PANEL.format("a", 0, 7, -12), HEAD + PANEL.format("a", 0, 7, -12) + PANEL.format("b", 8, 15, 2)
FILES = {
    "one.geom": ONE.encode(),
    "two.geom": TWO.encode(),
    "mixed.geom": (TWO + "b/res = 4000\n").encode(),
    "band.geom": ("bandwidth = 0.01\n" + ONE).encode(),
    "moved.geom": ("bandwidth = 0.01\n" + ONE.replace("photon_energy = 9000 eV", "wavelength = 2 A")).encode(),
    "located.geom": ONE.replace("0.1 m", "/LCLS/z m").encode(),
}
CRYSTAL = "-cell 50 60 70 90 90 90 -default_F 100 -N 3 -oversample 1 -nodump -nonoise -seed 1"
SIZED = f"{CRYSTAL} -beamsize 0.1 -fluence 1e20"


@pytest.fixture
def run(command, monkeypatch):
    """The command with the geometries above in its folder, without compilation."""
    monkeypatch.setenv("NANOBRAGG_DISABLE_COMPILE", "1")
    return lambda words: command(words, files=FILES)


def test_panels_have_the_background_that_one_panel_has(run):
    """A panel of the two is the single panel: the background of it must be the same."""
    background = f"{SIZED} -air_thick 50 -solvent_thick 5"
    one = run(f"-geom one.geom {background}")
    alone = one.float_image((8, 10))
    two = run(f"-geom two.geom {background}")
    assert (one.exit_code, two.exit_code) == (0, 0), one.stderr + two.stderr
    both = two.float_image((16, 10))
    np.testing.assert_allclose(both[:8], alone, rtol=1e-5)
    dry = run(f"-geom two.geom {SIZED}").float_image((16, 10))
    assert (both > dry).all()


def test_a_file_of_panels_holds_photons_whatever_the_gain_of_the_geometry(run):
    outcome = run(f"-geom two.geom {CRYSTAL} -nexusfile out.nxs -exptfile out.expt")
    assert outcome.exit_code == 0, outcome.stderr
    for found in (read_nexus_geometry(outcome.folder / "out.nxs"), *read_experiments(outcome.folder / "out.expt")):
        before = read_geometry(outcome.folder / "two.geom").in_frame(found.frame)
        for panel, old in zip(found.panels, before.panels, strict=True):
            assert (panel.gain, panel.trusted[1]) == (1.0, 50.0)
            np.testing.assert_allclose(panel.positions((0, 10), (0, 8)), old.positions((0, 10), (0, 8)), atol=1e-9)


def test_an_image_in_nexus_format_carries_its_crystal_to_the_next_run(run):
    words = "-distance 40 -detpixels 12 -pixel 0.5 -misset 10 20 30 -phi 15"
    first = run(f"{CRYSTAL} {words} -nexusfile a.nxs")
    image = first.float_image((12, 12))
    second = run("-nexus a.nxs -default_F 100 -N 3 -oversample 1 -nodump -nonoise")
    assert second.exit_code == 0, second.stderr
    np.testing.assert_allclose(second.float_image((12, 12)), image, rtol=1e-4, atol=1e-6 * image.max())


def test_the_list_of_a_single_image_is_the_experiment_that_made_it(run):
    words = "-distance 40 -detpixels 12 -pixel 0.5 -misset 10 20 30 -phi 15 -osc 1 -phisteps 1"
    first = run(f"{CRYSTAL} {words} -exptfile a.expt")
    image = first.float_image((12, 12))
    second = run("-expt a.expt -default_F 100 -N 3 -oversample 1 -nodump -nonoise -phisteps 1")
    assert second.exit_code == 0, second.stderr
    np.testing.assert_allclose(second.float_image((12, 12)), image, rtol=1e-4, atol=1e-6 * image.max())


def test_the_list_of_stills_has_the_crystal_of_each(run):
    words = "-distance 40 -detpixels 8 -pixel 0.5 -shots 2 -random_orientations -misset_seed 3 -jitter_lambda 1"
    outcome = run(f"{CRYSTAL} {words} -floatfile s.bin -exptfile s.expt")
    assert outcome.exit_code == 0, outcome.stderr
    with next(outcome.folder.glob("*.truth.csv")).open() as file:
        rows = list(csv.DictReader(file))
    found = read_experiments(outcome.folder / "s.expt")
    assert len(found) == len(rows) == 2
    assert found[0].panels is found[1].panels
    for each, row in zip(found, rows, strict=True):
        stars = np.array([[float(row[f"{name}_star_{axis}"]) for axis in "xyz"] for name in "abc"])
        ours = each.crystal.stars()
        np.testing.assert_allclose(ours @ ours.T, stars @ stars.T, atol=1e-12)
        np.testing.assert_allclose(ours @ each.beam.direction, stars @ (1, 0, 0), atol=1e-12)
        assert each.beam.wavelength_A == pytest.approx(float(row["wavelength_A"]))


def test_a_rotation_series_is_one_experiment_with_its_scan(run):
    words = "-distance 40 -detpixels 8 -pixel 0.5 -phi 5 -osc 0.5 -phisteps 1 -frames 2"
    outcome = run(f"{CRYSTAL} {words} -cbffile r.cbf -exptfile r.expt")
    assert outcome.exit_code == 0, outcome.stderr
    (found,) = read_experiments(outcome.folder / "r.expt")
    assert (found.scan.image_range, found.scan.start_deg, found.scan.width_deg) == ((1, 2), 5.0, 0.5)
    assert found.images == ("r_####.cbf",)


def test_a_wavelength_of_ones_own_takes_the_bandwidth_along(run):
    image = run(f"-geom band.geom {CRYSTAL} -lambda 2").float_image((8, 10))
    wide = run(f"-geom band.geom {CRYSTAL}").float_image((8, 10))
    np.testing.assert_allclose(image, run(f"-geom moved.geom {CRYSTAL}").float_image((8, 10)), rtol=1e-4)
    assert not np.allclose(image, wide, rtol=0.01)


def test_a_location_takes_its_value_from_the_option_that_the_error_names(run):
    assert "Give it: -geom_value /LCLS/z NUMBER" in run(f"-geom located.geom {CRYSTAL}").stderr
    given = run(f"-geom located.geom {CRYSTAL} -geom_value /LCLS/z 0.1").float_image((8, 10))
    np.testing.assert_array_equal(given, run(f"-geom one.geom {CRYSTAL}").float_image((8, 10)))


REFUSED = {
    "-geom one.geom -osc 1": "one.geom has no axis that turns the crystal. Give -spindle_axis X Y Z",
    "-geom one.geom -phi 10": "one.geom has no axis that turns the crystal",
    "-geom one.geom -frames 2 -osc 1": "one.geom has no axis that turns the crystal",
    "-geom one.geom -geom_value clen 0.1": "-geom_value clen: must be of a location that the geometry names: none",
    "-geom one.geom -geom_value clen long": "-geom_value clen long: must end in a number",
    "-geom one.geom -expt_index -1": "-expt_index -1: must be at least 0.",
    "-geom one.geom -expt_index 1": "-expt_index 1: one.geom has fewer experiments",
    "-geom one.geom -expt_image 1": "-expt_image 1: one.geom has 1 image",
    "-geom one.geom -distance 100": "say the same in two ways",
    "-expt_index 3": "-expt_index: there is no experiment file",
    "-geom_value /LCLS/z 3": "-geom_value: there is no experiment file",
    "-nexus one.geom -geom_value /LCLS/z 3": "-geom_value: has a meaning for -geom and -stream alone",
    "-frames -3 -osc 1": "-frames -3: must be at least 1.",
    "-air_thick -3": "-air_thick -3: must be at least 0 mm.",
    "-geom two.geom -printout": "-printout: two.geom has several panels",
    "-geom two.geom -shots 2 -cbffile a.cbf": "two.geom has several panels, and -cbffile is for images of one panel",
    "-geom two.geom -shots 2": "two.geom has several panels, and no file is named. Give -nexusfile",
    "-geom mixed.geom -psf gaussian": "mixed.geom has pixels of 0.25 x 0.25 mm, 0.5 x 0.5 mm: must be squares of one",
    "-geom two.geom -noisefile noiseimage.img": "-noisefile: two.geom has several panels",
    "-geom two.geom -cbffile a.cbf": "-cbffile: two.geom has several panels",
    "-geom two.geom -exptfile nowhere/a.expt": "nowhere/a.expt cannot be written",
    "-expt one.geom": "one.geom: this experiment list cannot be read",
    "-geom pipe": "pipe: a geometry file must be an ordinary file",
}


@pytest.mark.parametrize("words", REFUSED)
def test_what_has_no_meaning_is_an_error_in_one_line_and_writes_nothing(run, words):
    before = run("-version").files
    if "pipe" in words:
        os.mkfifo("pipe")
        before = before | {"pipe"}
    outcome = run(f"{words} {CRYSTAL}")
    assert outcome.exit_code == 9
    errors = [line for line in outcome.stderr.splitlines() if not line.startswith("WARNING")]
    assert len(errors) == 1
    assert REFUSED[words] in errors[0]
    assert outcome.files == before
