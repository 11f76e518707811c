"""Another program's judgement of a series: comparison with a known crystal, and DIALS itself on a small series."""

import dataclasses

import nbformat
import numpy as np
import pytest
import shipped
from dials_here import needs_dials
from in_process import run_here
from scipy.spatial.transform import Rotation

from nanobrag_torch.data import EXAMPLE_STRUCTURE
from nanobrag_torch.io import load_structure_factors
from nanobrag_torch.io.description import CrystalDescription, Description, GoniometerDescription
from nanobrag_torch.workbook.cells import agreement, dials
from nanobrag_torch.workbook.errors import Blocked, InputError
from nanobrag_torch.workbook.report.folder import Report
from nanobrag_torch.workbook.report.verify import verify

CELL = (34.77, 39.17, 48.31, 90.0, 90.0, 90.0)
SETTING = Rotation.from_euler("xyz", (10, 20, 30), degrees=True).as_matrix()
TRUTH = Description(
    frame="imgCIF",
    crystal=CrystalDescription(tuple(map(tuple, np.diag(CELL[:3]) @ SETTING.T))),
    goniometer=GoniometerDescription(axes=((1.0, 0.0, 0.0),)),
)
SD = (0.001, 0.002, 0.003, 0.01, 0.02, 0.03)
#: Steps of phi, of which half a one lies between the header of an image and its middle.
STEP_DEG = 0.1
SAME = np.eye(3)


def found(turn_deg=0.0, axis=(0, 0, 1), change=SAME, scale=(1.0, 1.0, 1.0), noise=0.0):
    """Outcome of DIALS on a perfect series, spoilt as asked: its axes are ``change`` of the true ones."""
    factors = load_structure_factors(EXAMPLE_STRUCTURE, dmin=3.0)
    least = [factors.metadata[f"{name}_min"] for name in "hkl"]
    hkl = np.argwhere(factors.grid.numpy() > 0) + least
    hkl = hkl[hkl.any(1)]
    squared = factors.grid.numpy()[tuple((hkl - least).T)] ** 2
    half_a_step = Rotation.from_rotvec([-STEP_DEG / 2, 0, 0], degrees=True)
    off = Rotation.from_rotvec(turn_deg * np.array(axis), degrees=True)
    direct = np.array(TRUTH.crystal.direct_A) * np.array(scale)[:, None]
    # Friedel mates are equally strong, one of them too much and one too little: the scale stays.
    signs = np.sign(hkl @ (10000, 100, 1))
    return dials.Processed(
        spots=100,
        indexed=90,
        direct_A=change @ (off * half_a_step).apply(direct),
        cell_sd=(*(abs(change) @ SD[:3]), *(abs(change) @ SD[3:])),
        space_group="P 2 2 2",
        hkl=(hkl @ np.array(change).T).round().astype(int),
        intensities=7 * squared * (1 + noise * signs),
        errors=np.ones(len(squared)),
        recorded=np.ones(len(squared)),
    )


def judged(**spoilt):
    return agreement.compared("nxs", found(**spoilt), TRUTH, STEP_DEG)


def whole(*judgements):
    return agreement.Agreement(
        program="DIALS 3", command="nanoBragg", cell=CELL, space_groups=("P 2 2 2",), judgements=judgements
    )


@pytest.mark.parametrize("change", [SAME, np.diag([1, -1, -1]), np.array([[0, 1, 0], [0, 0, 1], [1, 0, 0]])], ids=str)
def test_what_was_rendered_is_found_exactly_on_whatever_axes(change):
    judgement = judged(change=change)
    np.testing.assert_allclose(judgement.cell, CELL, atol=1e-9)
    assert judgement.cell_sd == pytest.approx(SD)
    assert judgement.misorientation_deg < 1e-6
    assert judgement.misorientation_as_said_deg == pytest.approx(STEP_DEG / 2)
    assert judgement.correlation == pytest.approx(1)
    assert judgement.r_factor < 1e-6
    assert judgement.faults(CELL, ("P 2 2 2",)) == ()


@pytest.mark.parametrize(
    ("spoilt", "words"),
    [
        ({"scale": (1.0003, 1, 1)}, ("cell edges 0.030 % off", "cell 10.4 standard errors off")),
        ({"scale": (1, 1.00018, 1)}, ("cell 3.5 standard errors off",)),
        ({"turn_deg": 0.02}, ("orientation 0.0200 deg off",)),
        ({"noise": 0.2}, ("R 20.0 %",)),
    ],
)
def test_every_difference_is_told_by_its_size(spoilt, words):
    faults = judged(**spoilt).faults(CELL, ("P 2 2 2",))
    assert set(words) <= set(faults)
    verdict = agreement.conclude(whole(judged(**spoilt)))
    assert (verdict.code, verdict.status) == ("J2", "failed")
    assert words[0] in verdict.sentence


def test_formats_that_were_interrupted_are_named_and_not_claimed():
    found = whole(judged()).model_copy(update={"skipped": ("cbf", "img")})
    verdict = agreement.conclude(found)
    assert (verdict.code, verdict.status, verdict.answer) == ("J3", "interrupted", "")
    assert verdict.sentence == "Interrupted, so nothing is said of it: cbf, img."


def test_an_interruption_keeps_the_formats_that_are_done(monkeypatch, tmp_path):
    def process(images, folder, tell):
        tell("import")
        if folder.name == "cbf":
            raise KeyboardInterrupt
        return found()

    monkeypatch.setattr(dials, "version", lambda: "DIALS 3")
    monkeypatch.setattr(dials, "process", process)
    monkeypatch.setattr(agreement, "render", lambda *_: "nanoBragg")
    monkeypatch.setattr(agreement, "read_experiments", lambda file: [TRUTH])
    judged_so_far = agreement.judge(Report(tmp_path), "", "nxs cbf img", frames=5, phi_steps=round(1 / STEP_DEG))
    assert [each.format for each in judged_so_far.judgements] == ["nxs"]
    assert judged_so_far.skipped == ("cbf", "img") and not list(tmp_path.glob(".series-*"))
    with pytest.raises(Blocked, match="before DIALS had processed the first format"):
        agreement.judge(Report(tmp_path), "", "cbf nxs", frames=5, phi_steps=10)


def test_the_first_image_is_that_of_the_series():
    options = "-gauss_xtal -N 4 -lambda 1 -distance 100 -detpixels 32 -pixel 2 -oversample 1 -fluence 1e24 -seed 1"
    image = agreement.first_image(options, phi_steps=2).image()
    assert image.shape == (32, 32) and image.max() > 0


def test_another_symmetry_is_a_difference():
    assert judged().faults(CELL, ("P 1 2 1",)) == ("space group P 2 2 2",)


def test_a_cell_without_standard_errors_is_within_none():
    judgement = judged().model_copy(update={"cell_sd": (0.0,) * 6})
    assert judgement.faults(CELL, ("P 2 2 2",)) == ("cell inf standard errors off",)


def test_another_lattice_is_no_judgement():
    half = found()
    with pytest.raises(Blocked, match="another lattice"):
        agreement.compared("nxs", dataclasses.replace(half, direct_A=half.direct_A * 2), TRUTH, STEP_DEG)


def test_observations_cut_off_by_the_series_do_not_count():
    all_of_them = found()
    cut = dataclasses.replace(all_of_them, recorded=np.where(np.arange(len(all_of_them.hkl)) < 50, 1.0, 0.6))
    assert agreement.compared("nxs", cut, TRUTH, STEP_DEG).reflections == 50
    with pytest.raises(Blocked, match="Only 0 fully recorded"):
        agreement.compared("nxs", dataclasses.replace(cut, recorded=cut.recorded * 0), TRUTH, STEP_DEG)


def test_the_record_comes_back_from_its_file_and_agreement_is_said(tmp_path):
    record = whole(judged())
    record.save(tmp_path)
    read = agreement.Agreement.model_validate_json((tmp_path / "agreement.json").read_text(encoding="utf-8"))
    assert read == record
    assert record.key_numbers()["faults"].value == 0
    said = agreement.conclude(record)
    assert (said.code, said.status) == ("J1", "passed")
    assert said.answer.startswith("Yes, with no hint: a = 34.7700(10) A (34.77 was rendered), b = ")
    rows = {row[0]: row[1:] for row in agreement.table(record).rows}
    assert rows["a (A)"] == ("34.77", "34.7700(10)")
    assert rows["gamma (deg)"] == ("90", "90.00(3)")
    (axes,) = agreement.figure(record).figure.axes
    assert len(axes.patches) == 7


@pytest.mark.parametrize(
    ("word", "error"), [("34.7695(10)", 0.001), ("89.9982(9)", 0.0009), ("120(3)", 3.0), ("90.0", 0.0), ("90", 0.0)]
)
def test_standard_errors_are_read_from_crystallographers_notation(word, error):
    assert dials._error(word) == pytest.approx(error)


def test_a_format_that_is_none_is_refused_before_anything_runs(tmp_path):
    with pytest.raises(InputError, match="formats: got 'tiff'; allowed: nxs cbf img"):
        agreement.judge(Report(tmp_path), "", "tiff", 3, 1)


def test_without_dials_the_run_is_blocked_and_says_how_to_install_it(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Blocked, match="apt-get install dials"):
        agreement.judge(Report(tmp_path), "", "cbf", 3, 1)


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """Programs called as those of DIALS are, of which the first fails as it looks for spots."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for program in ("version", *dials.STEPS):
        file = folder / f"dials.{program}"
        left = f": > {dials._LEFT[program]}\n" if program in dials._LEFT else ""
        file.write_text(f"#!/bin/sh\necho DIALS 3 {program}\n{left}")
        file.chmod(0o755)
    (folder / "dials.find_spots").write_text("#!/bin/sh\necho looked\necho No spots. >&2\nexit 3\n")
    monkeypatch.setenv("PATH", str(folder))


@pytest.mark.usefixtures("stand_in")
def test_a_command_that_fails_blocks_the_run_with_its_own_words(tmp_path):
    with pytest.raises(Blocked, match=r"nanoBragg ended with 9: .*-N 0"):
        agreement.judge(Report(tmp_path), "-N 0", "cbf", 3, 1)


@pytest.mark.usefixtures("stand_in")
def test_a_program_that_fails_is_named_and_its_log_stays(tmp_path):
    with pytest.raises(Blocked, match=r"dials\.find_spots ended with 3: No spots\. .* find_spots\.log"):
        agreement.judge(Report(tmp_path), "-N 2 -detpixels 64 -distance 100 -fluence 1 -seed 1", "cbf", 2, 1)
    assert (tmp_path / "dials/cbf/find_spots.log").read_text() == "looked\nNo spots.\n"
    assert (tmp_path / "dials/cbf/import.log").read_text() == "DIALS 3 import\n"
    assert not list(tmp_path.rglob("*.cbf"))


@pytest.mark.usefixtures("stand_in")
def test_a_program_that_leaves_nothing_failed_whatever_its_exit_code_says(tmp_path):
    (tmp_path / "bin/dials.import").write_text("#!/bin/sh\necho File series.cbf not found\n")
    with pytest.raises(
        Blocked, match=r"dials\.import left no imported\.expt: File series\.cbf not found\. .* import\.log"
    ):
        agreement.judge(Report(tmp_path), "-N 2 -detpixels 64 -distance 100 -fluence 1 -seed 1", "cbf", 2, 1)


@pytest.mark.dials
@needs_dials()
@pytest.mark.timeout(900)
def test_dials_finds_what_was_rendered_when_the_shipped_notebook_is_run(tmp_path):
    """A small series on a detector at two-theta; goals as narrow as those of the notebook need a large one."""
    project = shipped.checkout(tmp_path / "checkout")
    camera = "-lambda 1 -distance 60 -detpixels 300 -pixel 0.3 -oversample 2 -fluence 1e29"
    given = {"formats": "cbf", "frames": 12, "phi_steps": 10, "two_theta_deg": 10, "camera": camera}
    words = [word for each in given.items() for word in ("-p", *map(str, each))]
    done = run_here(project, "run", "dials/agreement", *words, "--reports", "reports")
    assert done.returncode in (0, 1), done.stderr
    (report,) = project.glob("reports/*/*/2*Z")
    assert verify(report) == []
    shipped.check_outputs(nbformat.read(report / "notebook.ipynb", as_version=4))
    found = agreement.Agreement.model_validate_json((report / "agreement.json").read_bytes())
    (judgement,) = found.judgements
    assert judgement.indexed > 0.95 * judgement.spots
    np.testing.assert_allclose(judgement.cell, CELL, rtol=3e-4)
    assert judgement.misorientation_deg < 0.02
    assert judgement.correlation > 0.995
    assert judgement.r_factor < 0.1
    assert (report / "dials/cbf/refined.expt").is_file()
