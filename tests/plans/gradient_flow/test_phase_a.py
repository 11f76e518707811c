import pytest
from samples import evidence, outcome_of_test

from nanobrag_torch.workbook import Evidence, investigation

verdict = investigation("gradient-flow", "phase_a")

DARK = evidence("as found", 0.0, *["zero"] * 6)
LIT = evidence("as found", 50.0, *["agrees"] * 6, lit=200)
CONTROL = evidence("control", 100.0, *["agrees"] * 6, lit=256)
DARK_CONTROL = evidence("control", 0.0, *["zero"] * 6)


def with_one(case: Evidence, agreement: str) -> Evidence:
    last = case.derivatives[-1].model_copy(update={"agreement": agreement})
    return case.model_copy(update={"derivatives": (*case.derivatives[:-1], last)})


def cut_off(case: Evidence) -> Evidence:
    """Evidence whose first derivative was not taken, as an interruption would leave it."""
    return case.model_copy(update={"derivatives": case.derivatives[1:], "unchecked": ("cell_a",)})


@pytest.mark.parametrize(
    ("test", "found", "control", "code", "status"),
    [
        ("failed", DARK, CONTROL, "dark_image", "passed"),
        ("passed", DARK, CONTROL, "dark_image", "passed"),
        ("passed", LIT, CONTROL, "healthy", "passed"),
        ("failed", LIT, CONTROL, "healthy", "failed"),
        ("none", DARK, CONTROL, "dark_image", "passed"),
        ("none", LIT, CONTROL, "healthy", "passed"),
        ("none", DARK, DARK_CONTROL, "inconclusive", "failed"),
        ("failed", DARK, DARK_CONTROL, "inconclusive", "failed"),
        ("interrupted", DARK, CONTROL, "dark_image", "passed"),
        ("interrupted", LIT, CONTROL, "healthy", "passed"),
        ("failed", DARK, cut_off(CONTROL), "evidence_interrupted", "interrupted"),
        ("failed", cut_off(DARK), CONTROL, "evidence_interrupted", "interrupted"),
        ("failed", DARK, cut_off(with_one(CONTROL, "missing")), "graph_severed", "failed"),
        ("failed", DARK, with_one(CONTROL, "missing"), "graph_severed", "failed"),
        ("failed", DARK, with_one(CONTROL, "not finite"), "not_finite", "failed"),
        ("failed", DARK, with_one(CONTROL, "disagrees"), "gradient_wrong", "failed"),
        ("failed", DARK, with_one(CONTROL, "inconclusive"), "inconclusive", "failed"),
        ("passed", with_one(LIT, "disagrees"), CONTROL, "gradient_wrong", "failed"),
        ("failed", with_one(DARK, "disagrees"), CONTROL, "gradient_wrong", "failed"),
    ],
)
def test_every_finding_has_its_evidence(test: str, found: Evidence, control: Evidence, code: str, status: str) -> None:
    conclusion = verdict.conclude(outcome_of_test(test), found, control)
    assert (conclusion.code, conclusion.status) == (code, status)
    assert conclusion.remedy and "{" not in conclusion.sentence


def test_every_row_of_the_table_is_reached_by_some_case_above() -> None:
    codes = {row.code for row in verdict.RULES}
    assert codes == {
        "graph_severed", "not_finite", "gradient_wrong", "evidence_interrupted", "dark_image", "healthy",
        "inconclusive",
    }  # fmt: skip


def test_a_mapped_test_that_was_interrupted_is_not_claimed() -> None:
    sentence = verdict.conclude(outcome_of_test("interrupted"), DARK, CONTROL).sentence
    assert sentence.endswith("The mapped test was interrupted, and nothing is said of it.")


def test_a_passing_test_beside_a_zero_snapshot_is_said_in_so_many_words() -> None:
    sentence = verdict.conclude(outcome_of_test("passed"), DARK, CONTROL).sentence
    assert "The mapped test passes although this brief's own snapshot is zero" in sentence


def test_a_wrong_gradient_is_named_with_its_case() -> None:
    sentence = verdict.conclude(outcome_of_test(), DARK, with_one(CONTROL, "disagrees")).sentence
    assert "cell_f (control)" in sentence and "cell_a" not in sentence


@pytest.mark.parametrize(
    ("test", "found", "control", "changed", "status"),
    [
        ("failed", LIT, CONTROL, {"default_F": 50.0}, "passed"),
        ("failed", LIT, CONTROL, {"mapped_test": "tests/x.py", "seed": 3}, "failed"),
        ("failed", LIT, with_one(CONTROL, "disagrees"), {"default_F": 50.0}, "failed"),
        ("failed", LIT, DARK_CONTROL, {"default_F": 50.0}, "failed"),
        ("passed", LIT, CONTROL, {"default_F": 50.0}, "passed"),
        ("none", LIT, CONTROL, {"default_F": 50.0}, "passed"),
    ],
)
def test_a_test_that_fails_on_another_case_than_was_looked_at_makes_no_failure(test, found, control, changed, status):
    conclusion = verdict.conclude(outcome_of_test(test), found, control, changed)
    assert conclusion.status == status
    if (test, status) == ("failed", "passed"):
        assert "The mapped test fails on its own case. This run looked at another, with default_F = 50.0" in (
            conclusion.sentence
        )


def test_a_run_without_a_mapped_test_says_so() -> None:
    assert verdict.conclude(outcome_of_test("none"), DARK, CONTROL).sentence.endswith("without a mapped test.")
