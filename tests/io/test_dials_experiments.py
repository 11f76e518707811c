"""Experiment lists: what dxtbx writes is read, what is written dxtbx reads, and both agree in every number."""

import json
import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from dials_here import PYTHON, needs_dials

from nanobrag_torch.io.description import (
    BeamDescription,
    CrystalDescription,
    Description,
    GoniometerDescription,
    GroupDescription,
    PanelDescription,
    ScanDescription,
)
from nanobrag_torch.io.dials import read_experiments
from nanobrag_torch.io.dials_writer import write_experiments
from nanobrag_torch.io.frames import about, as_vector

FILES = Path(__file__).parent / "files"
JUDGE = Path(__file__).parents[1] / "dxtbx_judge.py"


def judged(made, *names):
    """What dxtbx says of the list that it makes, and of ours."""
    run = subprocess.run([PYTHON, JUDGE, made, *names], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def _read(document, *without):
    with tempfile.NamedTemporaryFile("w", suffix=".expt") as file:
        json.dump(document, file)
        file.flush()
        return read_experiments(file.name, without)


def check(ours, theirs):
    """Every point of the panels agrees to 1e-6 mm; beam, goniometer, scan and crystal to the last digits."""
    assert len(ours.panels) == len(theirs["panels"])
    for panel, said in zip(ours.panels, theirs["panels"], strict=True):
        width, height = said["size"]
        grid = [panel.positions(f * width / 2, s * height / 2) for s in range(3) for f in range(3)]
        np.testing.assert_allclose(grid, said["grid"], rtol=0, atol=1e-6)
        assert panel.size == (width, height)
        assert panel.pixel_mm == pytest.approx(said["pixel"], rel=1e-14)
        assert panel.parallax == said["parallax"]
        assert (panel.gain, panel.pedestal) == (said["gain"], said["pedestal"])
        assert [list(rectangle) for rectangle in panel.bad] == said["mask"]
        assert panel.trusted == (None if said["trusted"][1] >= 1e30 else tuple(said["trusted"]))
        assert [panel.thickness_mm, panel.material, panel.absorption_per_mm] == said["sensor"]
    beam = ours.beam
    np.testing.assert_allclose(beam.direction, theirs["direction"], atol=1e-14)
    assert beam.wavelength_A == pytest.approx(theirs["wavelength"], rel=1e-15)
    normal, fraction = theirs["polarization"]
    assert beam.polarized == fraction
    for across in (normal, beam.direction):
        assert np.dot(beam.polarization, across) == pytest.approx(0, abs=1e-14)
    if theirs["goniometer"] is not None:
        fixed, setting = ours.goniometer.rotations()
        axis, their_fixed, their_setting = theirs["goniometer"]
        np.testing.assert_allclose(ours.goniometer.axes[ours.goniometer.scan_axis], axis, atol=1e-14)
        np.testing.assert_allclose(fixed.ravel(), their_fixed, atol=1e-12)
        np.testing.assert_allclose(setting.ravel(), their_setting, atol=1e-12)
        first_last, oscillation, times = theirs["scan"]
        assert ours.scan.image_range == tuple(first_last)
        assert [ours.scan.start_deg, ours.scan.width_deg] == pytest.approx(oscillation, rel=1e-14)
        assert list(ours.scan.exposures_s) == times
    np.testing.assert_allclose(ours.crystal.stars().T.ravel(), theirs["A"], atol=1e-14)
    varying = [] if ours.crystal.stars_at_images is None else ours.crystal.stars_at_images.transpose(0, 2, 1)
    np.testing.assert_allclose(np.reshape(varying, (-1, 9)), np.reshape(theirs["varying"], (-1, 9)), atol=1e-14)
    assert ours.crystal.space_group == theirs["group"].strip()


def experiment(**changes):
    """An experiment that is round in no frame, with groups in groups."""
    turn = about(as_vector(np.array([1.0, 2.0, 3.0]) / np.sqrt(14)), 25.0)
    fast, slow, normal = (as_vector(axis) for axis in (turn @ np.diag([1.0, -1.0, -1.0])).T)
    panels = [
        PanelDescription(
            f"p{n}", (12 + n, 9), (0.1, 0.15), as_vector(150 * np.array(normal) + n * np.array([2.0, 3.0, 1.0])), fast,
            slow, group=("", "inner", "outer")[n], thickness_mm=0.32, material="Si", absorption_per_mm=1.5,
            parallax=True, trusted=(-1.0, 900.0), gain=2.0, pedestal=10.0, bad=((1, 2, 3, 4),), slab=(0, 9 * n),
        )
        for n in range(3)
    ]  # fmt: skip
    beam, across = turn @ np.array([0.0, 0.0, -1.0]), turn @ np.array([0.6, 0.8, 0.0])
    fields = {
        "frame": "imgCIF",
        "beam": BeamDescription(1.1, as_vector(beam), as_vector(across), 0.9, divergence_deg=0.01, flux=1e10),
        "panels": tuple(panels),
        "groups": (
            GroupDescription("outer", origin_mm=(1.0, 2.0, -80.0), fast=slow, slow=normal),
            GroupDescription("inner", "outer", (5.0, 4.0, -70.0)),
        ),
        "goniometer": GoniometerDescription(
            axes=((1.0, 0.0, 0.0), as_vector(turn[:, 1]), as_vector(turn[:, 2])), angles_deg=(10.0, 0.0, 20.0),
            names=("phi", "kappa", "omega"), scan_axis=1,
        ),
        "scan": ScanDescription((2, 5), 30.0, 0.5, (0.1, 0.2, 0.3, 0.4)),
        "crystal": CrystalDescription(((30.0, 1.0, 2.0), (3.0, 40.0, 4.0), (-5.0, 6.0, 50.0)), "P 1"),
    }  # fmt: skip
    return Description(**fields | changes)


def test_a_list_of_dxtbx_is_read_as_dxtbx_reads_it():
    """Answers of dxtbx 3.12: a hierarchy of panels, a kappa goniometer, a turned setting, a crystal that changes."""
    ours = read_experiments(FILES / "dxtbx.expt")
    theirs = json.loads((FILES / "dxtbx.json").read_text(encoding="utf-8"))
    assert len(ours) == len(theirs) == 2
    for mine, said in zip(ours, theirs, strict=True):
        check(mine, said)
    assert ours[0].panels is ours[1].panels
    assert [group.name for group in ours[0].groups][-1] == "arm"


@pytest.mark.dials
@needs_dials()
def test_dials_agrees_with_what_is_read_and_with_what_is_written(tmp_path):
    flat = tuple(replace(panel, group="") for panel in experiment().panels[:1])
    turns = {"fixed": tuple(about((0, 0, 1), 30).ravel()), "setting": tuple(about((1, 0, 0), 40).ravel())}
    single = experiment(groups=(), panels=flat, goniometer=GoniometerDescription(axes=((0.0, 1.0, 0.0),), **turns))
    still = replace(single, goniometer=None, scan=None, panels=(replace(single.panels[0], trusted=None),))
    changing = np.stack([single.crystal.stars() * (1 + 1e-3 * k) for k in range(5)])
    varying = replace(single, crystal=replace(single.crystal, stars_at_images=changing))
    ours = {"many": experiment(), "single": single, "still": still, "varying": varying}
    for name, each in ours.items():
        write_experiments(tmp_path / f"{name}.expt", [each])
    found = judged(tmp_path / "made.expt", *(tmp_path / f"{name}.expt" for name in ours))
    for name, each in ours.items():
        (theirs,) = found[str(tmp_path / f"{name}.expt")]
        check(each, theirs)
        check(read_experiments(tmp_path / f"{name}.expt")[0], theirs)
    for mine, said in zip(read_experiments(tmp_path / "made.expt"), found[str(tmp_path / "made.expt")], strict=True):
        check(mine, said)


def test_models_that_experiments_share_are_written_once_and_read_as_one(tmp_path):
    one = experiment()
    other = replace(one, crystal=replace(one.crystal, mosaicity_deg=0.1), identifier="other")
    write_experiments(tmp_path / "t.expt", [one, other])
    document = json.loads((tmp_path / "t.expt").read_text())
    assert [len(document[kind]) for kind in ("beam", "detector", "goniometer", "scan", "crystal")] == [1, 1, 1, 1, 2]
    first, second = read_experiments(tmp_path / "t.expt")
    assert first.panels is second.panels
    assert (first.crystal.mosaicity_deg, second.crystal.mosaicity_deg) == (0.0, 0.1)
    assert second.identifier == "other"


def test_a_turned_goniometer_carries_the_crystal_to_where_its_matrices_say():
    gonio = experiment().goniometer
    outer = about(gonio.axes[2], 20.0) @ about(gonio.axes[1], 30.0) @ about(gonio.axes[0], 10.0)
    np.testing.assert_allclose(gonio.turn(30.0), outer, atol=1e-14)


def test_a_thickness_that_stands_for_a_surface_is_none():
    """dials.import makes a sensor of silicon of the placeholder, with a parallax that shifts no spot."""
    document = json.loads((FILES / "dxtbx.expt").read_text())
    for panel in document["detector"][0]["panels"]:
        panel |= {"thickness": 1e-6, "material": "Si", "mu": 3.9}
        panel["px_mm_strategy"] = {"type": "ParallaxCorrectedPxMmStrategy"}
    panel = _read(document)[0].panels[0]
    assert (panel.thickness_mm, panel.parallax) == (0.0, False)


def test_newer_scans_with_properties_are_read():
    document = json.loads((FILES / "dxtbx.expt").read_text())
    old = _read(document)[0].scan
    properties = {
        "oscillation": [12.5, 12.75, 13.0, 13.25],
        "oscillation_width": [0.25] * 4,
        "exposure_time": [0.2] * 4,
    }
    document["scan"][0] = {"image_range": [3, 6], "properties": properties}
    new = _read(document)[0].scan
    assert (new.start_deg, new.width_deg, new.exposures_s) == (old.start_deg, old.width_deg, old.exposures_s)


REFUSED = {
    "electrons": (("beam", 0, "probe"), "electron", r"beam\[0\].probe"),
    "deviation": (("beam", 0, "sigma_divergence"), 0.1, r"beam\[0\].sigma_divergence"),
    "offsets": (
        ("detector", 0, "panels", 1, "px_mm_strategy"), {"type": "OffsetPxMmStrategy"}, r"panels\[1\].px_mm_strategy",
    ),
    "unknown": (("crystal", 0, "twin_law"), "h,-k,-l", r"crystal\[0\].twin_law"),
    "flat cell": (("crystal", 0, "real_space_c"), [40.0, 3.0, 5.0], r"crystal\[0\].*span a cell"),
    "no rotation": (("goniometer", 1, "setting_rotation"), [2, 0, 0, 0, 1, 0, 0, 0, 1], r"goniometer\[1\].*rotation"),
    "skew": (("detector", 0, "panels", 0, "slow_axis"), [1.0, 0.1, 0.0], r"detector\[0\].*perpendicular"),
    "index": (("experiment", 0, "beam"), 7, r"experiment\[0\].beam = 7"),
    "not a list": (("detector", 0, "panels"), {}, r"detector\[0\].panels"),
    "nothing": (("experiment",), [], "experiment"),
    "text": (("beam", 0, "wavelength"), "short", r"beam\[0\].wavelength = 'short': must be a finite number"),
    "no wave": (("beam", 0, "wavelength"), 0.0, r"beam\[0\].wavelength = 0.*greater than 0"),
    "scan without axis": (("experiment", 0, "goniometer"), None, r"experiment\[0\].*a scan needs an axis"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_represented_is_refused_with_its_path(name):
    document = json.loads((FILES / "dxtbx.expt").read_text())
    path, value, expected = REFUSED[name]
    place = document
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    with pytest.raises(ValueError, match=expected) as error:
        _read(document)
    assert "this experiment list cannot be read" in str(error.value)


def test_a_member_that_is_waived_is_left_out():
    document = json.loads((FILES / "dxtbx.expt").read_text())
    document["beam"][0]["sigma_divergence"] = 0.1
    assert _read(document, "beam.sigma_divergence")[0].beam.divergence_deg == 0
    with pytest.raises(ValueError, match=r"must be of beam.s0_at_scan_points"):
        _read(document, "beam")


def test_an_experiment_without_beam_or_with_a_backward_scan_is_not_written(tmp_path):
    for changes, expected in (
        ({"beam": None}, r"experiment\[0\].*wavelength"),
        ({"panels": (), "groups": ()}, r"experiment\[0\].*detector"),
        ({"scan": ScanDescription((1, 1), 0.0, -1.0)}, r"scan.width_deg = -1"),
    ):
        with pytest.raises(ValueError, match=expected):
            write_experiments(tmp_path / "t.expt", [experiment(**changes)])
    assert list(tmp_path.iterdir()) == []
