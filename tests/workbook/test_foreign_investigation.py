"""An investigation that nobody here has heard of: a pendulum, with notebook, plan and record, by the public API."""

import json
import shutil
from pathlib import Path

import pytest
from checkouts import run, write_notebook

RECORDS = '''
from nanobrag_torch.workbook import KeyNumber, Record, exact


class Swing(Record):
    """Period of a pendulum of small amplitude."""

    file = "swing.json"
    borne_out_by = {"period_right": "swing.error < 1e-6"}

    period: float
    error: float

    def key_numbers(self) -> dict[str, KeyNumber]:
        return {"period": exact(self.period), "error": KeyNumber(value=self.error, scale=1.0)}

    def headline(self) -> tuple[tuple[str, str], ...]:
        return (("period of the pendulum", f"{self.period:.6f} s"),)
'''
MODEL = """
import math

import torch
from nanobrag_torch.workbook import Verdict

from .records import Swing


def period(length: torch.Tensor) -> torch.Tensor:
    return 2 * math.pi * torch.sqrt(length / 9.80665)


def swing(length: float) -> Swing:
    value = torch.tensor(length, dtype=torch.float64, requires_grad=True)
    period(value).backward()
    return Swing(period=float(period(value)), error=abs(float(value.grad) * 2 * length / float(period(value)) - 1))


def conclude(found: Swing) -> Verdict:
    sentence = f"It swings in {found.period:.4f} s."
    return Verdict(code="period_right", status="passed", title="The period is right", sentence=sentence)
"""
PLAN = """# Pendulum

```toml
focus = "PENDULUM-001"
question = "Does the period grow with the root of the length?"
branch = "main"
initiative = "swinging"

[[phases]]
id = "a"
title = "One length"
notebook = "notebooks/trial/trial.ipynb"
parameters = { length = 2.0 }
exit = ["swing.error < 1e-9", "2.8 < swing.period < 2.9"]
```
"""
CELLS = (
    "from nanobrag_torch.workbook import Report, investigation\n\n"
    'model = investigation("pendulum", "model")\nreport = Report.attach(report_folder)',
    "found = report.write(model.swing(length))",
    "report.write(model.conclude(found))",
)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with the investigation, after its plan was run twice."""
    folder = tmp_path_factory.mktemp("pendulum")
    (folder / "notebooks").mkdir()
    (folder / "plans" / "pendulum").mkdir(parents=True)
    (folder / "plans" / "pendulum.md").write_text(PLAN)
    (folder / "plans" / "pendulum" / "records.py").write_text(RECORDS)
    (folder / "plans" / "pendulum" / "model.py").write_text(MODEL)
    parameters = 'length: float = 1.0  # [m] 0.001 .. 100: of the string\nreport_folder: str = ""  # where it goes'
    write_notebook(folder, *CELLS, parameters=parameters)
    for _ in range(2):
        done = run(folder, "plan", "run", "pendulum", "--again")
        assert done.returncode == 0, done.stderr
    return folder


def reports(project: Path) -> list[Path]:
    return sorted(project.glob("reports/swinging/phase_a/2*Z"))


def test_its_plan_runs_and_its_numbers_are_in_manifest_page_and_index(project: Path) -> None:
    first, _ = reports(project)
    manifest = json.loads((first / "manifest.json").read_text())
    assert manifest["verdict"]["code"] == "period_right" and manifest["parameters"]["length"]["value"] == 2.0
    assert manifest["numbers"]["swing.period"]["value"] == pytest.approx(2.006409 * 2**0.5, abs=2e-6)
    assert "period of the pendulum" in (first / "report.html").read_text()
    assert "swing.period" in (project / "reports" / "index.html").read_text()


def test_ledger_verify_compare_export_and_schema_know_its_record(project: Path) -> None:
    first, second = reports(project)
    ledger = run(project, "ledger", "--format", "json")
    assert ledger.returncode == 0, ledger.stderr
    assert [row["numbers"]["swing.error"] < 1e-9 for row in json.loads(ledger.stdout)["rows"]] == [True, True]
    assert run(project, "verify", "reports").returncode == 0
    compared = run(project, "compare", str(first), str(second))
    assert compared.returncode == 0 and "swing.period" in compared.stdout
    assert run(project, "export", str(first)).returncode == 0
    assert json.loads(run(project, "schema", "swing.json").stdout)["required"] == ["period", "error"]


def test_a_number_that_its_record_does_not_give_is_found(project: Path, tmp_path: Path) -> None:
    copy = tmp_path / "reports" / "swinging" / "phase_a" / "20260101T000000Z"
    shutil.copytree(project / "plans", tmp_path / "plans")
    shutil.copytree(reports(project)[0], copy)
    manifest = json.loads((copy / "manifest.json").read_text())
    manifest["numbers"]["swing.error"]["value"] = 0.5
    (copy / "manifest.json").write_text(json.dumps(manifest))
    verified = run(tmp_path, "verify", str(copy))
    assert verified.returncode == 1 and "swing.error is not what the records give" in verified.stderr
    ledger = run(tmp_path, "ledger")
    assert ledger.returncode == 1 and "the finding period_right needs swing.error < 1e-6" in ledger.stderr


def test_where_its_records_are_not_at_hand_the_rest_is_verified_and_that_is_said(project: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(reports(project)[0], tmp_path / "sent")
    verified = run(tmp_path, "verify", str(copy))
    assert verified.returncode == 0 and "swing.json: no record of that name is known here" in verified.stdout
    (copy / "swing.json").write_text("{}")
    assert "swing.json was changed" in run(tmp_path, "verify", str(copy)).stderr


def test_a_record_that_breaks_a_rule_is_named_with_file_and_rule(project: Path, tmp_path: Path) -> None:
    broken = shutil.copytree(project / "plans", tmp_path / "plans")
    shutil.copytree(project / "reports", tmp_path / "reports")
    (broken / "pendulum" / "records.py").write_text(RECORDS.replace('file = "swing.json"', "pass"))
    for words, code in ((("ledger",), 1), (("verify", "reports"), 0)):
        done = run(tmp_path, *words)
        assert done.returncode == code, done.stderr
        assert "plans/pendulum/records.py cannot be imported" in done.stderr and "names no file" in done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize("method", ["key_numbers", "headline"])
def test_a_record_whose_method_fails_costs_neither_the_run_nor_the_next_command(
    project: Path, tmp_path: Path, method: str
) -> None:
    for folder in ("plans", "notebooks"):
        shutil.copytree(project / folder, tmp_path / folder)
    failing = f"class Swing(Record):\n    def {method}(self):\n        raise KeyError('late')\n"
    text = RECORDS.replace(f"def {method}", f"def other_{method}").replace("class Swing(Record):", failing)
    (tmp_path / "plans" / "pendulum" / "records.py").write_text(text)
    done = run(tmp_path, "run", "notebooks/trial/trial.ipynb")
    assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr
    verified = run(tmp_path, "verify", "reports")
    assert verified.returncode == 0, verified.stderr


def test_a_report_is_judged_by_the_records_that_can_read_it(project: Path, tmp_path: Path) -> None:
    (tmp_path / "plans" / "other").mkdir(parents=True)
    other = RECORDS.replace("period: float", "length: float").replace("self.period", "self.length")
    (tmp_path / "plans" / "other" / "records.py").write_text(other)
    verified = run(tmp_path, "verify", str(reports(project)[0]))
    assert verified.returncode == 0 and "swing.json: no record of that name is known here" in verified.stdout


def test_nothing_is_exported_or_compared_into_a_report(project: Path) -> None:
    report = reports(project)[0]
    before = {path.name for path in report.iterdir()}
    for words in (("export", "."), ("compare", ".", ".")):
        done = run(report, *words)
        assert done.returncode == 2 and "a file outside of reports" in done.stderr
    assert {path.name for path in report.iterdir()} == before
