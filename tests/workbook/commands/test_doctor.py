"""The command that diagnoses a scenario in a file, from the command line to the report folder."""

import json
from pathlib import Path

import pytest
from in_process import run_here
from test_scenario import small

from nanobrag_torch.config import BeamConfig, CrystalConfig, DetectorConfig
from nanobrag_torch.doctor import GradientReport, diagnose
from nanobrag_torch.experiments import describe
from nanobrag_torch.io.dials_writer import write_experiments
from nanobrag_torch.workbook.commands.app import run_command
from nanobrag_torch.workbook.commands.doctor import print_report


def test_a_scenario_becomes_a_table_and_a_report_folder(tmp_path, capfd):
    scenario = tmp_path / "dark.json"
    scenario.write_text(json.dumps({"detector": {"spixels": 16, "fpixels": 16}, "names": ["crystal.cell_a"]}))
    with pytest.raises(SystemExit) as ended:
        run_command(["doctor", str(scenario), "--reports", str(tmp_path / "reports")])
    assert ended.value.code == 0
    (folder,) = (tmp_path / "reports" / "doctor" / "scenario").iterdir()
    report = GradientReport.from_json((folder / "diagnosis.json").read_text())
    assert report.codes == {"crystal.cell_a": "Z1"}
    said = capfd.readouterr()
    assert said.out.strip().endswith("report.html")
    assert "Z1" in said.err
    manifest = json.loads((folder / "manifest.json").read_text())
    assert not Path(manifest["parameters"]["scenario_file"]["value"]).is_absolute()
    assert (folder / "report.html").is_file()


def test_a_wrong_file_starts_nothing(tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        run_command(["doctor", str(tmp_path / "none.json"), "--reports", str(tmp_path)])
    assert ended.value.code == 2
    assert "none.json" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_the_table_has_a_line_for_every_parameter(capsys):
    report = diagnose(small(names=("crystal.cell_a", "beam.fluence")))
    print_report(report.to_json())
    said = capsys.readouterr().err
    assert "S10" in said
    assert f"{report['crystal.cell_a'].gradient:.4g}"[:4] in said.replace("−", "-")


def test_the_notebook_takes_an_experiment_in_place_of_a_part_of_its_scenario(tmp_path):
    crystal = CrystalConfig(30, 40, 50, 80, 85, 95, misset_deg=(10, 20, 30))
    detector = DetectorConfig(spixels=7, fpixels=9, pixel_size_mm=3.0, distance_mm=80)
    write_experiments(tmp_path / "e.expt", [describe(crystal, detector, BeamConfig(wavelength_A=1.3))])
    (tmp_path / "pyproject.toml").write_text("")
    scenario = {
        "crystal": {"default_F": 100, "N_cells": [3, 3, 3]},
        "names": ["crystal.cell_b"],
        "loss": "weighted_sum",
    }
    (tmp_path / "s.json").write_text(json.dumps({**scenario, "detector": {"spixels": 500, "oversample": 1}}))
    words = ("run", "doctor/scenario", "-p", "scenario_file", "s.json", "-p", "experiment_file")
    done = run_here(tmp_path, *words, "e.expt", "--reports", "reports")
    assert done.returncode == 0, done.stderr
    (folder,) = (tmp_path / "reports" / "doctor" / "scenario").iterdir()
    (found,) = GradientReport.from_json((folder / "diagnosis.json").read_text()).parameters
    assert (found.value, found.gradient) == pytest.approx((40, found.finite_difference.derivative), rel=1e-5)
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["parameters"]["experiment_file"]["value"] == "e.expt"
    refused = run_here(tmp_path, *words, "s.json", "--reports", "reports")
    assert refused.returncode == 3 and "scenario file, experiment: " in refused.stderr
