"""Fields of exit criteria, held against the records that a run can leave."""

from pathlib import Path

import pytest
from checkouts import PROJECT, make_checkout, write_notebook
from in_process import run_here

from nanobrag_torch.workbook.plans import fields
from nanobrag_torch.workbook.plans import header as plan_header

HEADER = """# Trial

```toml
focus = "TRIAL-001"
question = "What is it?"
branch = "main"
initiative = "trial"

[[phases]]
id = "a"
title = "First"
notebook = "notebooks/trial/trial.ipynb"
exit = ["{criterion}"]
```
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = make_checkout(tmp_path / "checkout")
    write_notebook(folder, "report.write_text('score.json', '{\"points\": 3}')\nSaved(x).save('diagnosis_of_it.json')")
    return folder


def faults(checkout: Path, criterion: str) -> list[str]:
    text = HEADER.replace("{criterion}", criterion)
    return fields.problems(plan_header.parse(text, "plans/trial.md"), checkout)


@pytest.mark.parametrize(
    ("criterion", "said"),
    [
        ("control.lit_pixel > 0", "control has no field 'lit_pixel'. The nearest is 'lit_pixels'."),
        ("contorl.lit_pixels > 0", "no record 'contorl' is declared"),
        ("contorl.lit_pixels > 0", "The nearest is 'control'."),
        (
            "all(row.agreemnt == 'x' for row in control.derivatives)",
            "row has no field 'agreemnt'. The nearest is 'agre",
        ),
        ("all(row.x == 1 for row in control.derivatives if row.paramter == 'a')", "row has no field 'paramter'"),
        ("control.derivatives[0].gradeint > 0", "control.derivatives[0] has no field 'gradeint'"),
        ("control['lit pixels'] > 0", "control has no field 'lit pixels'"),
        ("control.loss.value > 0", "control.loss has no field 'value'"),
        ("diagnosis.image.lits > 0", "diagnosis.image has no field 'lits'. The nearest is 'lit'."),
        ("any(p.verdict.kode == 'Z1' for p in diagnosis.parameters)", "p.verdict has no field 'kode'"),
        ("max(abs(row.gradeint) for row in control.derivatives) < 1", "row has no field 'gradeint'"),
        ("verdict.status == 'passed' and verdict.kode == 'x'", "verdict has no field 'kode'. The nearest is 'code'."),
        ("score.poinst > 1", "no record has a field 'poinst'"),
        ("diagnosis_of_it.imgae.lit > 1", "no record has a field 'imgae'. The nearest is 'image'."),
    ],
)
def test_a_criterion_that_names_what_no_run_can_leave_is_told_with_the_nearest(checkout, criterion, said):
    (fault, *_) = faults(checkout, criterion)
    assert fault.startswith("plans/trial.md, phase a, exit criterion ") and said in fault


@pytest.mark.parametrize(
    "criterion",
    [
        "control.lit_pixels > 0 and control.record == 'evidence'",
        "all(row.agreement == 'agrees' for row in control.derivatives if row.gradient > 0)",
        "control.derivatives[0].gradient > control.derivatives[-1].gradient",
        "len(environment.versions) > 0 and environment.versions.torch != '' and environment.seeds['torch'] == 0",
        "any(all(x > 0 for x in row.seconds) for row in benchmark.rows)",
        "score.points > 2 and brief.mode == 'x'",
        "diagnosis_of_it.image.lit > 1",
        "parity.cases[0].header[0] == 'x'",
        "1 == 1",
    ],
)
def test_a_criterion_over_what_a_run_can_leave_is_taken(checkout, criterion):
    assert faults(checkout, criterion) == []


def test_the_plans_that_come_with_the_package_ask_for_what_their_phases_leave():
    assert fields.problems(plan_header.read("gradient-flow", PROJECT), PROJECT) == []


def test_status_names_the_fault_and_run_starts_nothing(checkout: Path):
    (checkout / "plans" / "trial.md").write_text(HEADER.replace("{criterion}", "control.lit_pixel > 0"))
    status = run_here(checkout, "plan", "status", "trial")
    assert status.returncode == 2 and "The nearest is 'lit_pixels'" in status.stderr and "Next: " in status.stdout
    run = run_here(checkout, "plan", "run", "trial")
    assert run.returncode == 2 and "The nearest is 'lit_pixels'" in run.stderr
    assert not (checkout / "reports" / "trial").exists()
