"""``nanobrag-workbook sweep``: from a line of the shell to a table and a page, and nothing is done twice."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pandas
import pytest
from in_process import run_here

COMMAND = Path(sys.executable).with_name("nanobrag-workbook")
SCENARIO = {
    "crystal": {"cell_a": 70, "cell_b": 80, "cell_c": 90, "N_cells": [5, 5, 5], "default_F": 100},
    "detector": {"spixels": 16, "fpixels": 16, "pixel_size_mm": 0.8, "oversample": 1},
    "names": ["crystal.cell_a"],
}


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("project")
    (root / "scenario.json").write_text(json.dumps(SCENARIO))
    return root


def sweep(project: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [COMMAND, "sweep", *words], cwd=project, env=os.environ, capture_output=True, text=True, timeout=200
    )


def test_a_line_of_the_shell_becomes_a_table_and_a_page_and_the_same_line_again_computes_nothing(project):
    line = (
        "scenario.json", "--over", "crystal.cell_a=60:80:10", "--as", "record", "--measure", "loss,gradients",
        "--name", "cells", "--workers", "1",
    )  # fmt: skip
    done = sweep(project, *line)
    assert done.returncode == 0, done.stderr
    page = project / done.stdout.strip()
    table = pandas.read_parquet(page.parent / "points.parquet")
    assert page.is_file() and page.parent.parent == project / "reports/sweep/cells"
    assert list(table["crystal.cell_a"]) == [60.0, 70.0, 80.0] and set(table["status"]) == {"done"}
    assert list(pandas.read_csv(page.parent / "points.csv")["loss"]) == list(table["loss"])
    assert set(table["agreement.crystal.cell_a"]) == {"agrees"}
    before = (page.parent / "manifest.json").read_bytes()
    again = run_here(project, "sweep", *line)
    assert again.returncode == 0 and "done already" in again.stderr and again.stdout == done.stdout
    resumed = run_here(project, "sweep", "resume", "cells")
    assert resumed.returncode == 0 and resumed.stdout == done.stdout
    assert (page.parent / "manifest.json").read_bytes() == before
    verified = run_here(project, "verify", str(page.parent))
    assert verified.returncode == 0, verified.stderr


def test_a_dry_run_shows_points_time_and_disk_and_leaves_nothing(project, tmp_path):
    (tmp_path / "scenario.json").write_text(json.dumps(SCENARIO))
    shown = run_here(
        tmp_path, "sweep", "scenario.json", "--over", "crystal.cell_a=60:80:0.5", "--dry-run", "--workers", "2"
    )
    assert shown.returncode == 0, shown.stderr
    assert "41 points of scenario.json" in shown.stdout and "80.0" in shown.stdout
    assert "s a point (point 20, measured)" in shown.stdout and "MiB" in shown.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["scenario.json"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("scenario.json",), "--over"),
        (("nowhere.json", "--over", "a=1,2"), "nowhere.json"),
        (("scenario.json", "--over", "crystal.cell_a=1,2", "--design", "grid"), "sobol"),
        (("scenario.json", "--over", "crystal.cell_a=1,2", "--measure", "colour"), "gradients"),
        (("scenario.json", "--over", "crystal.cell_a=1,2", "--design", "lhs"), "--sample N beside it"),
        (("scenario.json", "--over", "crystal.cell_a=1,2", "--seed", "0"), "--sample N beside it"),
        (("scenario.json", "--over", "crystal.cell_a=1,2", "--partition", "short"), "--cluster slurm"),
        (("scenario.json", "--over", "crystal.cell_a=1,2", "--scheduler", "tcp://x:1", "--workers", "2"), "alone"),
        (("resume",), "sweep resume PATH"),
        (("resume", "nowhere"), "nowhere"),
        (("gradient-flow:z", "--over", "a=1,2"), "phase"),
    ],
)
def test_what_cannot_be_swept_is_refused_with_a_remedy_and_leaves_nothing(tmp_path, words, said):
    (tmp_path / "scenario.json").write_text(json.dumps(SCENARIO))
    refused = run_here(tmp_path, "sweep", *words)
    assert refused.returncode == 2 and said in refused.stderr and "Traceback" not in refused.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["scenario.json"]
