"""Points of grain "report": a full report each, below that of the sweep, from kernels that a worker forks."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pandas
import pytest
from checkouts import make_checkout, write_notebook
from in_process import run_here

from nanobrag_torch.workbook.records.sweep import Point
from nanobrag_torch.workbook.sweeps import store

COMMAND = Path(sys.executable).with_name("nanobrag-workbook")
#: Raises at 2 as long as nobody mended it; else it tells whether its kernel was forked.
_CELL = """
import os, psutil
from nanobrag_torch.workbook import Report, Verdict

if answer == 2 and not os.path.exists("mended"):
    raise ValueError("two is none")
report = Report.attach(report_folder)
forked = "forkserver" in " ".join(psutil.Process(os.getppid()).cmdline())
report.write(Verdict(code="odd" if answer % 2 else "even", status="passed", title="Halved", sentence=f"{forked}."))
"""
_PARAMETERS = """answer: int = 1  # 1 .. 9: what is halved
report_folder: str = ""  # where it goes"""


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    root = make_checkout(tmp_path_factory.mktemp("reported") / "project")
    write_notebook(root, _CELL, parameters=_PARAMETERS)
    return root


def command(project: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([COMMAND, *words], cwd=project, env=os.environ, capture_output=True, text=True, timeout=240)


def test_each_point_has_a_report_of_its_own_and_a_failed_one_is_computed_once_more_on_request(project):
    line = ("sweep", "trial/trial", "--over", "answer=1:3:1", "--as", "report", "--workers", "1", "--name", "halves")
    done = command(project, *line)
    assert done.returncode == 1, done.stderr
    folder = (project / done.stdout.strip()).parent
    table = pandas.read_parquet(folder / "points.parquet")
    assert list(table["status"]) == ["done", "failed", "done"] and list(table["verdict.code"][[0, 2]]) == ["odd", "odd"]
    assert "two is none" in table["cause"][1]

    points = [store.read(folder, number) for number in range(3)]
    for point in points:
        assert isinstance(point, Point) and point.report in (folder / "report.html").read_text()
        nested = folder / point.report
        manifest = json.loads((nested / "manifest.json").read_text())
        assert manifest["parameters"]["answer"]["value"] == point.number + 1
        assert manifest["verdict"]["sentence"] == "True." or point.status == "failed"
        assert (nested / "report.html").is_file() and (nested / "notebook.ipynb").is_file()
    verified = run_here(project, "verify", str(folder))
    assert verified.returncode == 0, verified.stderr

    untouched = (folder / points[0].report / "manifest.json").stat().st_mtime_ns
    (project / "mended").touch()
    again = run_here(project, *line, "--retry", "failed")
    assert again.returncode == 0, again.stderr
    table = pandas.read_parquet(folder / "points.parquet")
    assert list(table["status"]) == ["done"] * 3 and list(table["verdict.code"]) == ["odd", "even", "odd"]
    assert (folder / points[0].report / "manifest.json").stat().st_mtime_ns == untouched
