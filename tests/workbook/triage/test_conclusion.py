"""Conclusion of a triage, and its changes since an earlier one."""

import pytest

from nanobrag_torch.workbook.records.triage import ChunkResult, Failure, GuardFinding, Move, Suite, TestResult
from nanobrag_torch.workbook.triage.conclusion import StoredTriage, conclude, verdict

SUITE = Suite(project=".", pytest_arguments=(), chunks=(), time_limit_s=60, gradient_guard=True)


def chunk(**outcomes: str) -> ChunkResult:
    """A chunk whose tests have these outcomes; a failing one is written "failed: message"."""
    tests = []
    for name, text in outcomes.items():
        outcome, _, message = text.partition(": ")
        failure = Failure(exception="ValueError", message=message) if message else None
        tests.append(TestResult(id=name, outcome=outcome, seconds=1.0, failure=failure))
    return ChunkResult(
        number=1, end="completed", exit_code=0, meaning="", elapsed_s=1.0, command=("pytest",), tests=tuple(tests)
    )


def run(**outcomes: str) -> StoredTriage:
    result = chunk(**outcomes)
    return StoredTriage("20260101T000000Z", "failed", SUITE, (result,), conclude([result], None))


def test_every_change_since_an_earlier_run_has_a_name():
    before = run(
        stays="failed: lost", mended="failed: lost", moves="failed: lost", deleted="failed: lost",
        unread="failed: lost", put_off="failed: lost", breaks="passed",
    )  # fmt: skip
    now = chunk(
        stays="failed: lost", mended="passed", moves="failed: elsewhere", unread="not run", put_off="skipped",
        breaks="failed: lost", appears="error: elsewhere",
    )  # fmt: skip
    changed = conclude([now], before).difference
    assert changed is not None
    assert changed.new == ("appears", "breaks")
    assert changed.fixed == ("mended",)
    assert changed.moved == (Move(test="moves", before="C1", after="C2"),)
    assert changed.gone == ("deleted", "put_off", "unread")


@pytest.mark.parametrize(
    ("outcomes", "status", "code"),
    [
        ({"a": "passed", "b": "skipped", "c": "xfailed"}, "passed", "suite_passes"),
        ({"a": "passed", "b": "failed: lost"}, "failed", "suite_fails"),
        ({"a": "passed", "b": "timed out: too long", "c": "not run"}, "failed", "suite_fails"),
        ({"a": "passed", "b": "not run"}, "blocked", "not_all_run"),
    ],
)
def test_a_suite_passes_only_if_all_of_it_was_run_and_nothing_failed(outcomes, status, code):
    said = verdict(conclude([chunk(**outcomes)], None), SUITE)
    assert (said.status, said.code) == (status, code)
    assert said.answer.startswith(
        {"passed": "Nothing fails: 1 passed", "failed": "Begin with C1: ", "blocked": "Nothing"}[status]
    )


def test_the_verdict_names_the_largest_cluster_and_where_to_begin():
    said = verdict(conclude([chunk(a="failed: one", b="failed: two 1", c="failed: two 2")], None), SUITE)
    assert said.title == "3 tests need attention, in 2 clusters"
    assert "C1, has 2: ValueError, two N" in said.sentence and said.remedy.startswith("Begin with C1.")


def test_gradient_checks_that_prove_nothing_are_counted_although_they_pass():
    finding = GuardFinding(check="gradcheck", kind="zero with zero", message="compared zero with zero")
    result = chunk(a="passed")
    watched = result.model_copy(update={"tests": (result.tests[0].model_copy(update={"guard": (finding,)}),)})
    triage = conclude([watched], None)
    assert triage.guard_findings == 1
    assert "prove nothing: 1" in verdict(triage, SUITE).sentence
