"""Series of the command: each frame holds all that the single run of that frame holds, and more may be asked for."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nanobrag_torch.cli.series import numbered
from nanobrag_torch.io.cbf import read_cbf
from nanobrag_torch.io.description import (
    BeamDescription,
    CrystalDescription,
    Description,
    GoniometerDescription,
    PanelDescription,
    ScanDescription,
)
from nanobrag_torch.io.dials_writer import write_experiments
from nanobrag_torch.io.floatfile import read_float_image
from nanobrag_torch.io.nexus import read_nexus
from nanobrag_torch.io.smv import read_smv

RUN = "-cell 60 70 80 -default_F 100 -N 4 -detpixels_f 24 -detpixels_s 16 -pixel 2 -distance 90 -fluence 1e27 -nopgm"
SWEEP = f"{RUN} -osc 0.1 -phisteps 2 -noprogress"
SHAPE = (16, 24)


def floats(folder, name):
    return read_float_image(folder / name, SHAPE)


def test_frames_have_the_air_and_water_of_the_single_run(command):
    words = f"{SWEEP} -nonoise -air_thick 20 -solvent_thick 2"
    folder = command(f"{words} -frames 2 -phi 3 -floatfile f.bin -nexusfile s.nxs").folder
    single = floats(command(f"{words} -phi 3.1 -floatfile 1.bin").folder, "1.bin")
    dry = floats(command(f"{SWEEP} -nonoise -phi 3.1 -floatfile 2.bin").folder, "2.bin")
    np.testing.assert_array_equal(floats(folder, "f_0002.bin"), single)
    np.testing.assert_array_equal(read_nexus(folder / "s.nxs").images[1], single)
    assert (single - dry).min() > 0.1 * dry.max()


def test_integer_images_of_a_series_have_one_scale_which_a_later_run_keeps(command, tmp_path):
    words = f"{SWEEP} -nonoise -osc 4 -adc 0 -intfile i.img -floatfile f.bin"
    command(f"{words} -frames 2")
    assert command(f"{words} -frames 3").exit_code == 0
    ratios = []
    for number in (1, 2, 3):
        pixels, photons = read_smv(tmp_path / f"i_000{number}.img")[0], floats(tmp_path, f"f_000{number}.bin")
        bright = photons > 0.1 * photons.max()
        ratios.append(np.median(pixels[bright] / photons[bright]))
    peaks = [floats(tmp_path, f"f_000{number}.bin").max() for number in (1, 2, 3)]
    assert max(peaks) > 1.05 * min(peaks)
    np.testing.assert_allclose(ratios, 55000 / peaks[0], rtol=1e-3)


def test_more_frames_may_be_asked_for_and_finished_ones_stay(command, tmp_path):
    words = f"{SWEEP} -seed 3 -cbffile s.cbf -nexusfile s.nxs"
    assert command(f"{words} -frames 2").exit_code == 0
    before = (tmp_path / "s_0002.cbf").read_bytes()
    more = command(f"{words} -frames 4")
    assert more.exit_code == 0 and "2 of 4 frames are finished already" in more.stdout
    assert (tmp_path / "s_0002.cbf").read_bytes() == before
    images = [read_cbf(tmp_path / f"s_000{number}.cbf").images[0] for number in (1, 2, 3, 4)]
    np.testing.assert_array_equal(read_nexus(tmp_path / "s.nxs").images, images)
    fewer = command(f"{words} -frames 3")
    assert fewer.exit_code == 9 and "s.nxs.series has 4 finished frames, more than 3" in fewer.stderr


def test_a_stack_gets_back_one_frame_whose_cbf_was_removed(command, tmp_path):
    words = f"{SWEEP} -seed 3 -frames 3 -cbffile s.cbf -nexusfile s.nxs"
    before = read_nexus(command(words).folder / "s.nxs").images
    (tmp_path / "s_0002.cbf").unlink()
    again = command(words)
    assert again.exit_code == 0 and "2 of 3 frames are finished already" in again.stdout
    np.testing.assert_array_equal(read_nexus(tmp_path / "s.nxs").images, before)
    np.testing.assert_array_equal(read_cbf(tmp_path / "s_0002.cbf").images[0], before[1])


@pytest.mark.parametrize(("option", "name"), [("-stol t.stol -stol_thick 1", "t.stol"), ("", "e.expt")])
def test_a_file_that_was_edited_between_two_runs_is_refused_by_name(command, tmp_path, option, name):
    (tmp_path / "t.stol").write_text("0 3\n1 3\n")
    write_experiments(tmp_path / "e.expt", [experiment()])
    words = f"{SWEEP if 'stol' in name else EXPT} {option} -nonoise -frames 2 -floatfile f.bin"
    assert command(words).exit_code == 0
    content = (tmp_path / name).read_text()
    (tmp_path / name).write_text(content.replace("1 3", "1 4").replace("1.25", "1.26"))
    refused = command(words)
    assert refused.exit_code == 9 and f"content of {'stol' if 'stol' in name else 'experiment'}_file" in refused.stderr


def experiment(images=4, varying=False, panels=1):
    """A crystal that turns about x, refined once or image by image, before one panel or several."""
    direct = np.diag([50.0, 60.0, 70.0])
    edges = None
    if varying:
        turns = [np.deg2rad(0.3 * k) for k in range(images + 1)]
        edges = np.array(
            [[[1, 0, 0], [0, np.cos(t), np.sin(t)], [0, -np.sin(t), np.cos(t)]] for t in turns]
        ) @ np.linalg.inv(direct)
    panel = PanelDescription("p", (24, 16), (2.0, 2.0), (-24.0, 16.0, -90.0), (1.0, 0.0, 0.0), (0.0, -1.0, 0.0))
    return Description(
        "imgCIF",
        BeamDescription(1.25, direction=(0.0, 0.0, -1.0)),
        tuple(replace(panel, name=f"p{k}", origin_mm=(-24.0 + 50 * k, 16.0, -90.0)) for k in range(panels)),
        goniometer=GoniometerDescription(((1.0, 0.0, 0.0),)),
        scan=ScanDescription((1, images), 10.0, 0.1),
        crystal=CrystalDescription(tuple(map(tuple, direct.tolist())), "P 1", stars_at_images=edges),
    )


EXPT = "-expt e.expt -default_F 100 -N 5 -fluence 1e27 -nopgm -noprogress -nonoise -oversample 1"


def test_frames_of_an_experiment_are_its_images_also_where_the_crystal_was_refined_image_by_image(command, tmp_path):
    write_experiments(tmp_path / "e.expt", [experiment(varying=True)])
    series = command(f"{EXPT} -expt_image 1 -frames 3 -floatfile f.bin -cbffile f.cbf")
    assert series.exit_code == 0, series.stderr
    images = []
    for number in (1, 2, 3):
        single = command(f"{EXPT} -expt_image {number} -floatfile 1.bin").folder
        images.append(floats(single, "1.bin"))
        np.testing.assert_array_equal(floats(tmp_path, f"f_000{number}.bin"), images[-1])
        start = read_cbf(tmp_path / f"f_000{number}.cbf").phi_start_deg
        assert start == pytest.approx(10 + 0.1 * number, abs=1e-12)
    write_experiments(tmp_path / "e.expt", [experiment()])
    still = floats(command(f"{EXPT} -expt_image 3 -floatfile 1.bin").folder, "1.bin")
    assert np.abs(images[2] - still).max() > 0.1 * still.max()
    command(f"{EXPT} -frames 4 -floatfile g.bin")
    np.testing.assert_allclose(floats(tmp_path, "g_0004.bin"), still, rtol=1e-4, atol=1e-6 * still.max())


@pytest.mark.parametrize(
    ("made", "options", "message"),
    [
        ({"varying": True}, "-frames 5", "4 are left from -expt_image on"),
        ({"varying": True}, "-frames 2 -osc 1", "-phi, -osc and -phistep are those of its scan"),
        ({}, "-shots 2", "-osc 0.1 with -shots: stills do not rotate"),
    ],
)
def test_frames_that_an_experiment_cannot_have_are_refused_and_nothing_is_written(
    command, tmp_path, made, options, message
):
    write_experiments(tmp_path / "e.expt", [experiment(**made)])
    run = command(f"{EXPT} {options}")
    assert run.exit_code == 9 and message in run.stderr, run.stderr
    assert run.files == {"e.expt"}


def test_the_truth_of_a_still_is_turned_by_phi(command, tmp_path):
    command(f"{RUN} -noprogress -phi 90 -shots 1 -floatfile s.bin -roi 0 1 0 1")
    with (tmp_path / "s.bin.truth.csv").open() as file:
        (row,) = csv.DictReader(file)
    stars = np.array([[float(row[f"{name}_star_{axis}"]) for axis in "xyz"] for name in "abc"])
    # C's spindle is z: a* goes from x to y, b* from y to -x.
    np.testing.assert_allclose(stars, [[0, 1 / 60, 0], [-1 / 70, 0, 0], [0, 0, 1 / 80]], atol=1e-12)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("s.cbf", "s_0007.cbf"),
        ("lyso.v2.cbf.gz", "lyso.v2_0007.cbf.gz"),
        (".hidden", ".hidden_0007"),
        ("a.b/plain", "a.b/plain_0007"),
        ("x.BZ2", "x_0007.BZ2"),
    ],
)
def test_the_number_stands_before_the_ending(given, expected):
    assert numbered(Path(given), 7) == Path(expected)


def test_two_outputs_of_one_name_are_refused_unless_it_is_a_device(command):
    run = command(f"{RUN} -noprogress -floatfile a.bin -cbffile ./a.bin")
    assert run.exit_code == 9 and "two outputs have this name" in run.stderr and run.files == set()
    assert command(f"{RUN} -noprogress -floatfile /dev/null -intfile /dev/null -nonoise").exit_code == 0


def test_parameters_for_dials_are_announced_with_gain_and_pedestal(command, tmp_path):
    out = command(f"{SWEEP} -frames 1 -gain 2.5 -cbffile s.cbf -noisefile s.img").stdout
    for name, pedestal in (("s.cbf.phil", 0.0), ("s.img.phil", 40.0)):
        assert f"writing {name}: geometry" in out
        lines = {line.strip() for line in (tmp_path / name).read_text().splitlines()}
        assert {"gain = 2.5", f"pedestal = {pedestal}"} <= lines


def test_a_journal_names_no_model_but_the_file_that_it_came_from(command, tmp_path):
    write_experiments(tmp_path / "e.expt", [experiment()])
    command(f"{EXPT} -frames 1 -floatfile f.bin")
    settings = json.loads((tmp_path / "f.bin.series").read_text().splitlines()[0])["settings"]
    assert settings["experiment_file"] == "e.expt" and "content of experiment_file" in settings
    assert not settings.keys() & {"experiment", "panels", "stars", "mask_pixels", "spectrum"}
