"""A tour of every command of the workbook in an empty folder, with the wheel installed: ``python wheel_tour.py BIN``.

BIN is the folder of an environment's programs. The folder in which the tour is made is no git repository and holds
nothing at the beginning; it ends with a non-zero code at the first step that goes wrong.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

SCENARIO = {
    "crystal": {"cell_a": 70, "cell_b": 80, "cell_c": 90, "N_cells": [3, 3, 3], "default_F": 100},
    "detector": {"spixels": 16, "fpixels": 16, "pixel_size_mm": 2.0},
    "names": ["crystal.cell_a"],
}
SUITE = "def test_that_passes():\n    assert 1 > 0\n\n\ndef test_that_fails():\n    assert 1 < 0, 'it is not'\n"


class Tour:
    """Steps in one folder, each a command with the exit code and the words that are expected of it."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self.programs, self.folder = programs, folder

    def step(self, *words: str, code: int = 0, says: str = "", program: str = "nanobrag-workbook") -> str:
        """Standard output of a command. Raises ``AssertionError`` where it ends or says otherwise."""
        shown = " ".join((program, *words))
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "PYTEST"))}
        path = f"{self.programs}{os.pathsep}{environment.get('PATH', '')}"
        done = subprocess.run(
            [str(self.programs / program), *words],
            cwd=self.folder,
            env=environment | {"COLUMNS": "200", "PATH": path},
            capture_output=True,
            text=True,
            timeout=600,
        )
        assert done.returncode == code, f"{shown}: exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert says in done.stdout + done.stderr, f"{shown}: no {says!r} in\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr, f"{shown}:\n{done.stderr}"
        print(f"ok  {shown}", flush=True)
        return done.stdout

    def reports(self, pattern: str) -> list[Path]:
        """Folders of reports, by their place below ``reports/``."""
        return sorted(self.folder.glob(f"reports/{pattern}/2*Z"))


def tour(programs: Path, folder: Path) -> None:
    """Make the whole tour in an empty folder."""
    t = Tour(programs, folder)
    assert not list(folder.iterdir())
    _before_there_is_a_project(t)
    _single_runs(t)
    _own_investigation(t)
    _what_came_out(t)
    _plain_papermill(t)


def _before_there_is_a_project(t: Tour) -> None:
    t.step("--help", says="init")
    t.step("notebooks", says="doctor/scenario")
    t.step("schema", "verdict.json", says="remedy")
    t.step("ledger", code=2, says="nanobrag-workbook init")
    t.step("plan", "status", "mine", code=2, says="nanobrag-workbook init")
    assert not list(t.folder.iterdir()), "a command that only reads left something behind"


def _single_runs(t: Tour) -> None:
    (t.folder / "scenario.json").write_text(json.dumps(SCENARIO))
    t.step("doctor", "scenario.json", says="reports/doctor/scenario/")
    t.step("run", "doctor/any_model", "-p", "model", "notebooks/doctor/models.py:spot", says="report.html")
    t.step("notebooks", "copy", "doctor/scenario", says="notebooks/doctor/scenario.ipynb")
    t.step("run", "notebooks/doctor/scenario.ipynb", "-p", "scenario_file", "scenario.json", says="report.html")
    t.step("run", "scenario.ipynb", "-p", "seconds", "never", code=2, says="a number from 1 to 86400 s")


def _own_investigation(t: Tour) -> None:
    t.step("init", "--name", "spot-width", says="plans/spot-width.md")
    t.step("init", "--name", "spot-width", code=2, says="Nothing was written")
    t.step("plan", "run", "spot-width", says="reports/index.html")
    t.step("plan", "status", "spot-width", says="done")
    t.step("run", "--brief", "plans/spot-width/brief.txt", says="report.html")
    t.step(
        "plan", "new", "dark-image", "--question", "Why?", "--notebook", "notebooks/spot_width/phase_a_baseline.ipynb"
    )
    t.step("plan", "copy", "gradient-flow", says="notebooks/gradient_flow")
    t.step("plan", "run", "gradient-flow", "--phase", "b1", says="reports/index.html")
    (t.folder / "suite").mkdir()
    (t.folder / "suite" / "test_two.py").write_text(SUITE)
    t.step("triage", "run", "--project", "suite", "--chunks", "1", code=1, says="report.html")


def _what_came_out(t: Tour) -> None:
    first, second = t.reports("spot-width/phase_a")
    t.step("ledger", "--format", "csv", says="spot-width")
    t.step("index", says="reports/index.html")
    t.step("verify", "reports", says="every file is as the manifest says")
    t.step("compare", str(first), str(second), says="comparison.html")
    t.step("export", str(first), says=".zip")
    assert json.loads((first / "manifest.json").read_text())["numbers"]["spot.light"]["value"] > 0


def _plain_papermill(t: Tour) -> None:
    words = ("notebooks/spot_width/phase_a_baseline.ipynb", "-p", "width", "0.2")
    for number in (1, 2):
        t.step(words[0], f"out-{number}.ipynb", *words[1:], program="papermill")
    folders = sorted(t.folder.glob("reports/lab/phase_a_baseline/*/spot.json"))
    assert len(folders) == 2, folders


def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder).resolve()


if __name__ == "__main__":
    for place in _folder():
        tour(Path(sys.argv[1]).absolute(), place)
