"""The command that refines an image: from files to a report with values, the refined experiment and JSON."""

import json

import nbformat
import numpy as np
import pytest
import refined
import shipped
from in_process import run_here

from nanobrag_torch.config import BeamConfig
from nanobrag_torch.experiments import describe, load_experiments
from nanobrag_torch.io import write_smv
from nanobrag_torch.io.dials_writer import write_experiments
from nanobrag_torch.workbook.report.verify import verify

#: What an experiment list does not say.
BESIDE = {
    "crystal": {"default_F": 100.0, "shape": "gauss", "N_cells": [7, 6, 5]},
    "detector": {"oversample": 1},
    "beam": {},
}


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """A folder with an image, the experiment of a start beside the truth, and a scenario of the rest."""
    folder = tmp_path_factory.mktemp("measured")
    (folder / "pyproject.toml").write_text("")
    (folder / "notebooks").mkdir()
    case = refined.case()
    start = case.start
    write_experiments(folder / "start.expt", [describe(start.crystal, start.detector, BeamConfig(wavelength_A=1.2))])
    write_smv(folder / "i.img", case.counts.values.astype(np.uint16), 0.5, 60.0, 1.2, 16.0, 16.0, adc_offset=0.0)
    refined.scenario_file(folder, **BESIDE)
    return folder


def test_an_image_becomes_values_a_refined_experiment_and_a_report(measured):
    done = run_here(
        measured, "refine", "i.img", "--expt", "start.expt", "--scenario", "still.json", "--free", "cell,misset,scale",
        "--space-group", "P 2 2 2", "--background", "0.5", "--reports", "reports",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (report,) = (measured / "reports" / "refine" / "refine").iterdir()
    assert done.stdout.strip().endswith("report.html") and verify(report) == []
    shipped.check_outputs(nbformat.read(report / "notebook.ipynb", as_version=4))
    record = json.loads((report / "refinement.json").read_text())
    edges = {each["label"]: each for each in record["values"]}
    for label, truth in (("a", 40.0), ("b", 50.0), ("c", 60.0), ("fluence", 3e27)):
        assert abs(edges[label]["value"] - truth) < 4 * edges[label]["sigma"]
    (found,) = load_experiments(report / "refined.expt")
    assert float(found.crystal.cell_a) == pytest.approx(edges["a"]["value"], rel=1e-9)
    assert "step 1 of at most 60: −log L = " in done.stderr and "refined" in done.stderr
    manifest = json.loads((report / "manifest.json").read_text())
    assert manifest["verdict"]["code"] == "R1"
    assert manifest["parameters"]["image_file"]["value"] == "i.img"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("none.img", "--expt", "start.expt"), "IMAGE: got 'none.img'"),
        (("i.img", "--expt", "none.expt"), "--expt: got 'none.expt'"),
        (("i.img",), "--expt"),
        (("i.img", "--expt", "start.expt"), "--hkl"),
        (("i.img", "--expt", "i.img", "--scenario", "still.json"), "experiment: got 'i.img'"),
        (("i.img", "--expt", "start.expt", "--scenario", "still.json", "--free", "cel"), "free: got 'cel'"),
    ],
)
def test_wrong_input_is_told_in_one_line_and_starts_nothing(measured, words, said):
    done = run_here(measured, "refine", *words, "--reports", "nowhere")
    assert done.returncode == 2 and said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (measured / "nowhere").exists()
