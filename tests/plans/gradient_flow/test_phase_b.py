from pathlib import Path

import interrupting
import pytest
from checkouts import PROJECT, SETTINGS

from nanobrag_torch.workbook import Blocked, InputError, Report, investigation

audit = investigation("gradient-flow", "phase_b")
records = investigation("gradient-flow", "records")
Audit, AuditedSuite, AuditFinding = records.Audit, records.AuditedSuite, records.AuditFinding

SUITE = """
import torch

def leaf():
    return torch.tensor(2.0, dtype=torch.float64, requires_grad=True)

def test_vacuous():
    assert torch.autograd.gradcheck(lambda x: 0 * x, leaf())

def test_sound():
    assert torch.autograd.gradcheck(lambda x: x**2, leaf())

def test_that_fails():
    assert False
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch) -> Path:
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "pyproject.toml").write_text(SETTINGS)
    (tmp_path / "test_suite.py").write_text(SUITE)
    (tmp_path / "report").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_vacuous_checks_are_counted_beside_those_that_pass(project: Path):
    found = audit.suite(Report(project / "report"), "as_found", "test_suite.py", 120)
    assert (found.ran, found.passed, found.hollow) == (3, 2, 1)
    (finding,) = found.findings
    assert finding.test.endswith("::test_vacuous") and finding.kind == "zero with zero"
    assert audit.findings(found).rows[0][:2] == ("test_vacuous", "gradcheck")
    assert {path.name for path in (project / "report").iterdir()} == {
        "as_found.log", "as_found.xml", "as_found.findings.json",
    }  # fmt: skip


def test_without_an_id_nothing_runs(project: Path):
    assert audit.suite(Report(project / "report"), "as_found", " ", 120).ran == 0
    assert list((project / "report").iterdir()) == []


def test_a_suite_that_cannot_run_blocks(project: Path):
    with pytest.raises(Blocked, match=r"exit code 4.*see repaired\.log"):
        audit.suite(Report(project / "report"), "repaired", "test_missing.py", 120)
    with pytest.raises(InputError, match="a test id"):
        audit.suite(Report(project / "report"), "repaired", "../test_suite.py", 120)


def suite(ran: int, passed: int, vacuous: int) -> AuditedSuite:
    findings = tuple(
        AuditFinding(test=f"t{i}", check="gradcheck", kind="all zero", message="zero") for i in range(vacuous)
    )
    return AuditedSuite(tests="t.py", ran=ran, passed=passed, hollow=vacuous, findings=findings)


@pytest.mark.parametrize(
    ("before", "after", "code"),
    [
        (suite(3, 3, 3), suite(6, 6, 0), "hollow_checks_repaired"),
        (suite(3, 3, 0), suite(6, 6, 0), "audit_open"),
        (suite(3, 3, 3), suite(6, 6, 1), "audit_open"),
        (suite(3, 3, 3), suite(6, 5, 0), "audit_open"),
        (suite(3, 3, 3), suite(0, 0, 0), "audit_open"),
    ],
)
def test_the_audit_passes_where_vacuous_checks_were_found_and_repaired(before, after, code):
    found = Audit(as_found=before, repaired=after)
    assert audit.conclude(found).code == code
    assert found.key_numbers()["as_found.hollow"].value == before.hollow
    assert audit.table(found).rows[1] == ("repaired", str(after.ran), str(after.passed), str(after.hollow))


def test_the_checks_kept_as_they_were_found_are_vacuous_and_pass(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(PROJECT)
    found = audit.suite(Report(tmp_path), "as_found", "plans/gradient-flow/suite_as_found.py", 120)
    assert (found.ran, found.passed, found.hollow) == (3, 3, 3)


def test_tests_that_were_interrupted_are_named_and_not_counted(project: Path, monkeypatch):
    interrupting.as_soon_as(monkeypatch, lambda part: (project / "report" / "repaired.log").exists())
    cut_off = audit.suite(Report(project / "report"), "repaired", "test_suite.py", 120)
    assert cut_off.interrupted and cut_off.ran == 0
    found = Audit(as_found=suite(3, 3, 3), repaired=cut_off)
    conclusion = audit.conclude(found)
    assert (conclusion.code, conclusion.status) == ("audit_interrupted", "interrupted")
    assert conclusion.sentence == "Interrupted, so nothing is said of them: the checks repaired."
    assert audit.table(found).rows[1][0] == "repaired, interrupted"


def test_the_picture_shows_the_dark_crystal_beside_a_lit_one():
    said = audit.picture().words.alt
    assert "as found: 0 of 40000 pixels lit" in said and "with F = 100: 0 of" not in said
