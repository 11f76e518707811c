"""Audit of gradient checks: tests run under the gradient guard, which sees the vacuous ones among those that pass."""

import json
from pathlib import Path
from xml.etree import ElementTree

from nanobrag_torch.config import CrystalConfig, DetectorConfig
from nanobrag_torch.scenario import Scenario
from nanobrag_torch.workbook import Blocked, Drawing, Report, Table, Verdict, figures, mapped_test, progress

from .records import Audit, AuditedSuite, AuditFinding

_PLUGIN = "nanobrag_torch.doctor.pytest_plugin"


def picture() -> Drawing:
    """Image of the crystal of the checks as found, which has no structure factors, beside one with one F for all."""
    detector = DetectorConfig(spixels=200, fpixels=200, pixel_size_mm=0.1, oversample=1)
    dark = Scenario(CrystalConfig(100.0, 100.0, 100.0, 90.0, 90.0, 90.0, N_cells=(5, 5, 5)), detector)
    return figures.pattern(**{"as found": dark, "with F = 100": dark.changed(crystal={"default_F": 100.0})})


def suite(report: Report, name: str, tests: str, timeout_s: int) -> AuditedSuite:
    """Run tests under the gradient guard. An interruption ends them, and nothing is said of them.

    Args:
        report: takes log, XML and findings.
        name: first part of the names of these files.
        tests: pytest ids, separated by blanks; without any nothing runs.
        timeout_s: time limit of the run, in seconds.

    Raises:
        InputError: a word is no pytest id.
        Blocked: pytest did not run to its end.
    """
    nodes = mapped_test.node_ids(tests)
    if not nodes:
        return AuditedSuite(tests="", ran=0, passed=0, hollow=0, findings=())
    xml, found = ((report.folder / f"{name}.{suffix}").resolve() for suffix in ("xml", "findings.json"))
    words = ["pytest", "-q", "-p", _PLUGIN, f"--gradient-guard-json={found}", *nodes]
    with progress.shown(f"Tests {name.replace('_', ' ')}, {timeout_s} s at most") as work:
        code, late = mapped_test.run_pytest(words, xml, report.folder / f"{name}.log", timeout_s, work)
    if work.interrupted:
        return AuditedSuite(tests=tests, ran=0, passed=0, hollow=0, findings=(), interrupted=True)
    if late or code not in (0, 1):
        raise Blocked(f"{tests}: pytest ended with exit code {code}{', too late' if late else ''}; see {name}.log.")
    findings = tuple(
        AuditFinding(test=test, **{key: entry[key] for key in ("check", "kind", "message")})
        for test, entries in json.loads(found.read_text(encoding="utf-8")).items()
        for entry in entries
    )
    ran, passed = _counts(xml)
    vacuous = len({finding.test for finding in findings})
    return AuditedSuite(tests=tests, ran=ran, passed=passed, hollow=vacuous, findings=findings)


def conclude(audit: Audit) -> Verdict:
    """Verdict of the audit: vacuous checks were there, and the repaired tests have none."""
    before, after = audit.as_found, audit.repaired
    ended = [name for name, suite in (("as found", before), ("repaired", after)) if suite.interrupted]
    if ended:
        return Verdict(
            code="audit_interrupted", status="interrupted", title="The audit was interrupted",
            sentence=f"Interrupted, so nothing is said of them: the checks {' and '.join(ended)}.",
            remedy="Run the notebook again.",
        )  # fmt: skip
    sentence = (
        f"Of {before.ran} checks as found {before.passed} pass, and {before.hollow} prove nothing: they look at a dark "
        f"image, where every gradient is zero. Of {after.ran} repaired tests {after.passed} pass, and "
        f"{after.hollow} prove nothing."
    )
    sound = after.hollow == 0 and after.passed == after.ran > 0
    if sound and before.hollow:
        return Verdict(
            code="hollow_checks_repaired", status="passed", title="Checks passed on a dark image; the repaired do not",
            sentence=sentence, remedy="Give every gradient check a point at which the image is lit.",
            answer=f"{before.hollow} of the {before.ran} gradient checks beside it proved nothing: they compared zero "
            f"with zero on a dark image. Of the {after.ran} repaired ones all pass on a lit image.",
        )  # fmt: skip
    return Verdict(
        code="audit_open", status="failed", title="The audit does not explain the checks", sentence=sentence,
        remedy="Read the findings: a repaired test is vacuous or fails, or no vacuous check was found.",
    )  # fmt: skip


def table(audit: Audit) -> Table:
    """Table of both suites in numbers."""
    rows = [
        (f"{name}, interrupted" if suite.interrupted else name, str(suite.ran), str(suite.passed), str(suite.hollow))
        for name, suite in (("as found", audit.as_found), ("repaired", audit.repaired))
    ]
    return Table(caption="Tests under the guard", columns=("tests", "ran", "passed", "prove nothing"), rows=tuple(rows))


def findings(suite: AuditedSuite) -> Table:
    """Table of the guard's findings, test by test."""
    rows = tuple((each.test.rpartition("::")[2], each.check, each.kind, each.message) for each in suite.findings)
    return Table(caption="What the guard says", columns=("test", "check", "kind", "message"), rows=rows)


def _counts(xml: Path) -> tuple[int, int]:
    """Numbers of tests that ran and of tests that passed in a JUnit report."""
    ran = [case for case in ElementTree.parse(xml).iter("testcase") if case.find("skipped") is None]
    passed = [case for case in ran if case.find("failure") is None and case.find("error") is None]
    return len(ran), len(passed)
