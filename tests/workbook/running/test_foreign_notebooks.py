"""Notebooks as other people write them, run by the command to a report."""

import json
from pathlib import Path
from typing import Any

import nbformat
import pytest
from checkouts import make_checkout, only_report
from in_process import run_here

from nanobrag_torch.workbook.records.run import Manifest
from nanobrag_torch.workbook.report.verify import verify

NAME = "notebooks/trial/trial.ipynb"
HALF = "\udcff"


def code(source: str, *tags: str, **others: Any) -> dict[str, Any]:
    return {"cell_type": "code", "metadata": {"tags": list(tags)}, "outputs": [], "execution_count": None,
            "source": source} | others  # fmt: skip


DECLARED = code('report_folder: str = ""  # where the results go', "parameters")
OURS = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}


def written(folder: Path, *cells: dict[str, Any], **others: Any) -> Path:
    """A checkout with the notebook of these cells behind its parameters, in JSON that no library has put right."""
    project = make_checkout(folder)
    path = project / NAME
    path.parent.mkdir()
    content = {"nbformat": 4, "nbformat_minor": 5, "metadata": OURS, "cells": [DECLARED, *cells]}
    path.write_text(json.dumps(content | others))
    return project


def executed(report: Path) -> list[Any]:
    """The cells of an executed notebook behind the one with the values of the run."""
    return nbformat.read(report / "notebook.ipynb", as_version=4).cells[2:]


@pytest.mark.parametrize("leaves", ["import sys\nsys.exit()", "raise SystemExit(0)"])
def test_a_cell_that_leaves_the_notebook_early_has_not_passed(tmp_path: Path, leaves: str) -> None:
    project = written(tmp_path, code(leaves), code("print('later')"))
    done = run_here(project, "run", NAME)
    assert done.returncode == 1 and "cell 3" in done.stderr and "SystemExit" in done.stderr
    verdict = Manifest.model_validate_json((only_report(project) / "manifest.json").read_bytes()).verdict
    assert (verdict.status, verdict.code) == ("failed", "left_early") and "did not run" in verdict.remedy


def test_ids_with_blanks_expected_errors_and_half_characters_come_through_whole(tmp_path: Path) -> None:
    project = written(
        tmp_path,
        {"cell_type": "markdown", "metadata": {}, "source": f"# Half: {HALF}", "id": "the title"},
        code(f"raise ValueError('expected {HALF}')", "raises-exception", id="the title"),
        code(f"print('printed {HALF} ' + chr(0xd83d) + '\\x00')\n'given {HALF}'", id="a cell of mine"),
        metadata={},
    )
    done = run_here(project, "run", NAME)
    assert done.returncode == 0 and "the notebook names none, so python3 is taken" in done.stderr, done.stderr
    report = only_report(project)
    assert verify(report) == []
    prose, error, printed = executed(report)
    assert prose.source == "# Half: \\udcff"
    assert [output.evalue for output in error.outputs] == ["expected \\udcff"]
    stream, value = printed.outputs
    assert stream.text == "printed \\udcff \\ud83d\x00\n" and value.data["text/plain"] == "'given \\udcff'"
    assert "expected \\udcff" in (report / "report.html").read_text()


def test_an_error_about_a_name_in_another_encoding_is_reported(tmp_path: Path) -> None:
    project = written(tmp_path, code("raise FileNotFoundError('a' + chr(0xdcff) + chr(0xd800))"))
    done = run_here(project, "run", NAME)
    assert done.returncode == 1 and "FileNotFoundError: a\\udcff\\ud800" in done.stderr
    report = only_report(project)
    assert verify(report) == [] and "a\\udcff\\ud800" in (report / "report.html").read_text()


def test_a_notebook_of_format_3_runs(tmp_path: Path) -> None:
    def old(source: str, *tags: str) -> dict[str, Any]:
        return {"cell_type": "code", "input": source, "language": "python", "metadata": {"tags": list(tags)},
                "outputs": [], "collapsed": False}  # fmt: skip

    title = {"cell_type": "heading", "level": 1, "metadata": {}, "source": "An old one"}
    sheet = {"metadata": {}, "cells": [title, old(DECLARED["source"], "parameters"), old("print('ran')")]}
    project = written(tmp_path, nbformat=3, nbformat_minor=0, worksheets=[sheet])
    done = run_here(project, "run", NAME)
    assert done.returncode == 0, done.stderr
    report = only_report(project)
    assert verify(report) == [] and executed(report)[-1].outputs[0].text == "ran\n"
    assert "An old one" in run_here(project, "notebooks").stdout


@pytest.mark.parametrize(
    ("others", "said"),
    [
        ({"nbformat": 5}, "nbformat: got 5; allowed: 3 or 4"),
        ({"cells": 3}, "allowed: a Jupyter notebook of a Python kernel"),
        ({"cells": [code("x: int = 1\x00  # 1 .. 2: x", "parameters")]}, "null bytes"),
        ({"metadata": {"kernelspec": {"name": "conda-env-gone-py", "language": "python"}}}, "'conda-env-gone-py'"),
    ],
)
def test_a_notebook_that_cannot_run_leaves_nothing_behind(tmp_path: Path, others: dict[str, Any], said: str) -> None:
    project = written(tmp_path, **others)
    done = run_here(project, "run", NAME)
    assert done.returncode == 2 and said in done.stderr and "Traceback" not in done.stderr
    assert done.stderr.startswith("nanobrag-workbook: ") and done.stderr.count("\n") == 1, "and no remark of a library"
    assert list(project.glob("reports/*/*/.*")) == [] and not (project / "reports").exists()


def test_a_kernel_is_chosen_on_the_command_line(tmp_path: Path) -> None:
    gone = {
        "kernelspec": {"name": "conda-env-gone-py", "display_name": "Python [conda env:gone]", "language": "python"}
    }
    project = written(tmp_path, code("x = 1"), metadata=gone)
    refused = run_here(project, "run", NAME)
    assert refused.returncode == 2 and "python3" in refused.stderr and "--kernel NAME" in refused.stderr
    assert run_here(project, "run", NAME, "--kernel", "python3").returncode == 0
