from dataclasses import dataclass

import pytest
from samples import evidence, outcome_of_test

from nanobrag_torch.workbook import Evidence, investigation

options = investigation("gradient-flow", "phase_c")
option_figure = investigation("gradient-flow", "phase_c_figure")
verified = investigation("gradient-flow", "phase_d")


@dataclass(frozen=True)
class Case:
    """The part of an examined case that options look at."""

    evidence: Evidence


def case(name: str, agreement: str = "agrees", lit: int = 256, cancellation: float | None = 0.05) -> Case:
    found = evidence(name, 100.0, *[agreement] + ["agrees"] * 5, lit=lit)
    rows = (found.derivatives[0].model_copy(update={"cancellation": cancellation}), *found.derivatives[1:])
    return Case(found.model_copy(update={"derivatives": rows}))


@pytest.mark.parametrize(
    ("option", "said"),
    [
        (case("x"), ""),
        (case("x", cancellation=1e-3), ""),
        (case("x", cancellation=0.9e-3), "the gradient of a is less than 0.001 of its contributions"),
        (case("x", cancellation=None), "the gradient of a is less than"),
        (case("x", "disagrees"), "do not agree for a"),
        (case("x", "inconclusive"), "do not agree for a"),
        (case("x", "zero"), "do not agree for a"),
        (case("x", lit=0), "the image is dark"),
    ],
)
def test_an_option_is_accepted_if_it_is_lit_confirmed_and_above_the_floor(option, said):
    found = options.objection(option.evidence, 1e-3)
    assert said in found and bool(said) == bool(found)
    (weighed,) = options.weigh(1e-3, option).options
    assert weighed.accepted is not bool(said) and weighed.because == found


def test_the_first_option_that_is_accepted_is_chosen():
    compared = options.weigh(1e-3, case("dark", lit=0), case("one amplitude"), case("a list"))
    assert (compared.accepted, compared.chosen) == (2, "one amplitude")
    verdict = options.conclude(compared)
    assert (verdict.code, verdict.status) == ("option_accepted", "passed")
    assert "one amplitude" in verdict.title and "dark: the image is dark" in verdict.sentence
    assert [row[-1] for row in options.table(compared).rows] == ["the image is dark", "accepted", "accepted"]


def test_without_an_accepted_option_the_phase_fails():
    verdict = options.conclude(options.weigh(1e-3, case("dark", lit=0)))
    assert (verdict.code, verdict.status) == ("no_option_accepted", "failed")


def test_key_numbers_name_every_option():
    numbers = options.weigh(1e-3, case("a list, even")).key_numbers()
    assert numbers["a_list_even.loss"].value == 983.25 and numbers["accepted"].value == 1
    assert numbers["a_list_even.gradient.cell_a"].scale == 70.0
    assert numbers["a_list_even.smallest_cancellation"].value == 0.05


def test_the_figure_says_in_words_which_options_are_accepted():
    drawing = option_figure.cancellations(options.weigh(1e-3, case("one"), case("two", "disagrees")))
    assert drawing.words.alt.startswith("one: smallest κ 0.05, accepted; two: smallest κ 0.05, autograd")
    (axes,) = drawing.figure.axes
    lines = {line.get_label(): line for line in axes.lines}
    assert len(lines["agrees with the finite difference"].get_xdata()) == 11
    assert list(lines["does not agree"].get_xdata()) == [0.05]
    assert list(lines["floor, 0.001"].get_xdata()) == [1e-3, 1e-3]


@pytest.mark.parametrize(
    ("status", "option", "code"),
    [
        ("passed", case("repaired"), "repair_verified"),
        ("failed", case("repaired"), "repair_refuted"),
        ("passed", case("repaired", lit=0), "repair_refuted"),
        ("passed", case("repaired", "disagrees"), "repair_refuted"),
        ("passed", case("repaired", cancellation=1e-9), "repair_refuted"),
    ],
)
def test_a_repair_is_verified_by_its_test_and_its_fixture_together(status, option, code):
    checked = verified.verify(outcome_of_test(status), option.evidence, 1e-3)
    assert verified.conclude(checked).code == code
    assert checked.key_numbers()["floor"].value == 1e-3


@pytest.mark.parametrize(
    ("option", "code", "status"),
    [(case("repaired"), "fixture_verified", "passed"), (case("repaired", lit=0), "repair_refuted", "failed")],
)
def test_without_a_mapped_test_the_fixture_alone_is_judged(option, code, status):
    none = outcome_of_test("none").model_copy(update={"test": ""})
    conclusion = verified.conclude(verified.verify(none, option.evidence, 1e-3))
    assert (conclusion.code, conclusion.status) == (code, status)
    assert conclusion.sentence.startswith("Without a mapped test")


def cut_off(option: Case) -> Case:
    found = option.evidence
    return Case(found.model_copy(update={"derivatives": found.derivatives[1:], "unchecked": ("cell_a",)}))


def test_an_option_that_was_interrupted_is_neither_accepted_nor_refused():
    verdict = options.conclude(options.weigh(1e-3, case("dark", lit=0), cut_off(case("a list"))))
    assert (verdict.code, verdict.status, verdict.answer) == ("options_interrupted", "interrupted", "")
    assert "a list: its examination was interrupted before cell_a" in verdict.sentence
    chosen = options.conclude(options.weigh(1e-3, case("one amplitude"), cut_off(case("a list"))))
    assert chosen.code == "option_accepted" and "a list: its examination was interrupted" in chosen.sentence


def test_a_repair_whose_test_or_fixture_was_interrupted_is_not_judged():
    found = verified.verify(outcome_of_test("interrupted"), case("repaired").evidence, 1e-3)
    conclusion = verified.conclude(found)
    assert (found.test, found.passed, found.interrupted) == ("", False, "the test")
    assert conclusion.title == "The fixture is sound; its test was interrupted"
    assert conclusion.sentence.startswith("The mapped test was interrupted. The image of the fixture is lit")
    found = verified.verify(outcome_of_test("passed"), cut_off(case("repaired")).evidence, 1e-3)
    conclusion = verified.conclude(found)
    assert (found.interrupted, conclusion.code, conclusion.status) == (
        "the fixture", "fixture_interrupted", "interrupted",
    )  # fmt: skip
