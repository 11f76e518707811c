"""Verdict of phase A: a table of rules over the evidence, of which the first that holds decides."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

from nanobrag_torch.workbook import Evidence, TestRecord, Verdict, number


@dataclass(frozen=True)
class Facts:
    """Facts that a rule may depend on: the mapped test, the case as found, and the lit control."""

    test: TestRecord
    found: Evidence
    control: Evidence

    @property
    def unchecked(self) -> tuple[str, ...]:
        """Derivatives that no finite difference was taken of, as an interruption ended the evidence."""
        return tuple(f"{name} ({case.case})" for case in (self.found, self.control) for name in case.unchecked)

    def any(self, *agreements: str) -> bool:
        """Tell whether a derivative of either case has one of these agreements."""
        return any(row.agreement in agreements for case in (self.found, self.control) for row in case.derivatives)

    @property
    def found_is_zero(self) -> bool:
        """True where the image as found is dark, and every gradient and finite difference of it exactly zero."""
        return self.found.dark and all(row.agreement == "zero" for row in self.found.derivatives)

    @property
    def control_is_sound(self) -> bool:
        """True where the control is lit and its gradients agree with its finite differences."""
        return not self.control.dark and all(row.agreement in ("agrees", "zero") for row in self.control.derivatives)


@dataclass(frozen=True)
class VerdictRule:
    """One row of the table.

    Attributes:
        holds: condition on the facts.
        code: code of the verdict; ``status``, ``title``, ``sentence``, ``remedy`` and ``answer`` are the rest of it.
            Codes in brackets within a sentence are those of the doctor's verdicts, explained in docs/doctor.md.
    """

    holds: Callable[[Facts], bool]
    code: str
    status: Literal["passed", "failed", "interrupted"]
    title: str
    sentence: str
    remedy: str
    answer: str = ""


RULES = (
    VerdictRule(
        lambda f: f.any("missing"),
        "graph_severed",
        "failed",
        "A gradient is missing: the graph is severed",
        "Autograd returned no gradient for {missing}, so the way from parameter to image is cut [S1].",
        "Look for .item(), float(), numpy or a detached copy between the parameter and the image.",
        "The graph is broken: autograd returns no gradient for {missing}.",
    ),
    VerdictRule(
        lambda f: f.any("not finite"),
        "not_finite",
        "failed",
        "A gradient is not finite",
        "The gradient of {not_finite} is NaN or infinite.",
        "Find the first intermediate that is not finite, in the order cell, position, index, factor, image, loss.",
    ),
    VerdictRule(
        lambda f: f.any("disagrees"),
        "gradient_wrong",
        "failed",
        "A gradient disagrees with its finite difference",
        "The gradient of {disagrees} differs from its finite difference by more than the error bar: "
        "the derivative code is wrong, or the loss has a jump here.",
        "Repeat with smaller steps; if the difference stays, bisect the model stage by stage.",
    ),
    VerdictRule(
        lambda f: bool(f.unchecked),
        "evidence_interrupted",
        "interrupted",
        "The evidence was interrupted",
        "No finite difference was taken of {unchecked}, so neither a broken graph nor a sound one was shown.",
        "Run the notebook again.",
    ),
    VerdictRule(
        lambda f: f.found_is_zero and f.control_is_sound,
        "dark_image",
        "passed",
        "The graph is intact; the image was dark",
        "The six cell gradients are exactly zero because every pixel of the image is exactly zero: the crystal has no "
        "structure factors (default_F = {found_F:g}), so a zero gradient is right [Z1]. With default_F = {control_F:g} "
        "and nothing else changed, the same graph gives gradients that agree with finite differences.",
        "Give the crystal structure factors: a reflection file, or default_F above zero.",
        "The image was dark and the graph is whole: default_F is {found_F:g} and no table was read, so every structure "
        "factor, all {pixels} pixels and all {number} cell gradients are zero; with default_F = {control_F:g}, {lit} "
        "pixels are lit and {agreeing} of {number} gradients agree with finite differences{worst}.",
    ),
    VerdictRule(
        lambda f: not f.found.dark and f.control_is_sound and not f.any("inconclusive"),
        "healthy",
        "passed",
        "The gradients are right",
        "The image is lit, and the gradients, as found and in the control, agree with finite differences.",
        "Nothing needs to be done to the gradients.",
        "Neither: the image is lit in {found_lit} of {pixels} pixels, and the {number} cell gradients agree with "
        "finite differences{worst}.",
    ),
    VerdictRule(
        lambda f: True,
        "inconclusive",
        "failed",
        "The evidence decides nothing",
        "Neither a broken graph nor a sound one could be shown: {undecided}.",
        "Give the control structure factors, a lit detector, or double precision, and run again.",
    ),
)

_INTERRUPTED = "The mapped test was interrupted, and nothing is said of it."
_WITHOUT = "All this without a mapped test."
#: Parameters that say how the evidence is taken, and not of which case.
_HOW = ("device", "seed", "mapped_test", "pytest_options", "test_timeout_s")

#: Status of the mapped test, and the case that was looked at: dark, lit, or another than the test's own, where the user
#: set parameters of it -> clause of the sentence, and True where the evidence explains the test.
TEST_CLAUSES: dict[tuple[str, Literal["dark", "lit", "another"]], tuple[str, bool]] = {
    ("failed", "dark"): ("The mapped test fails as it was found to: it asks a dark image for gradients.", True),
    ("failed", "lit"): ("The mapped test fails although this case is lit and checked: it tests something else.", False),
    ("failed", "another"): (
        "The mapped test fails on its own case. This run looked at another, with {changed}, which is lit.",
        True,
    ),
    ("passed", "dark"): (
        "The mapped test passes although this brief's own snapshot is zero: the test and the snapshot do not describe "
        "the same case. The test supplies structure factors, or does not notice a zero.",
        True,
    ),
    ("passed", "lit"): ("The mapped test passes.", True),
    ("passed", "another"): ("The mapped test passes.", True),
    ("interrupted", "dark"): (_INTERRUPTED, True),
    ("interrupted", "lit"): (_INTERRUPTED, True),
    ("interrupted", "another"): (_INTERRUPTED, True),
    ("none", "dark"): (_WITHOUT, True),
    ("none", "lit"): (_WITHOUT, True),
    ("none", "another"): (_WITHOUT, True),
}


def conclude(
    test: TestRecord, found: Evidence, control: Evidence, changed: Mapping[str, Any] = MappingProxyType({})
) -> Verdict:
    """Verdict on phase A.

    Args:
        test: the mapped test.
        found: the case as found.
        control: the case with structure factors.
        changed: parameters that the user set for this run, with their values.
    """
    facts = Facts(test, found, control)
    finding = next(row for row in RULES if row.holds(facts))
    other = {name: value for name, value in changed.items() if name not in _HOW}
    clause, explained = TEST_CLAUSES[test.status, "dark" if found.dark else "another" if other else "lit"]
    words = {
        "missing": _named(facts, "missing"),
        "not_finite": _named(facts, "not finite"),
        "disagrees": _named(facts, "disagrees"),
        "unchecked": ", ".join(facts.unchecked),
        "undecided": _named(facts, "inconclusive") or "the control is dark as well",
        "found_F": found.default_F,
        "control_F": control.default_F,
        "changed": ", ".join(f"{name} = {value}" for name, value in other.items()),
    }
    counted = {
        "pixels": found.pixels,
        "found_lit": found.lit_pixels,
        "lit": control.lit_pixels,
        "number": len(control.derivatives),
        "agreeing": sum(row.agreement == "agrees" for row in control.derivatives),
        "worst": _worst(control),
    }
    return Verdict(
        code=finding.code,
        status=finding.status if explained else "failed",
        title=finding.title,
        sentence=f"{finding.sentence} {clause}".format(**words),
        remedy=finding.remedy,
        answer=finding.answer.format(**words, **counted),
    )


def _worst(evidence: Evidence) -> str:
    """Clause on the largest distance of gradient and finite difference; empty where there is none to be had."""
    distances = [row.distance for row in evidence.derivatives if row.distance is not None]
    return f", to {number(max(distances), 1)} of the contributions to them" if distances else ""


def _named(facts: Facts, agreement: str) -> str:
    names = [
        f"{row.parameter} ({case.case})"
        for case in (facts.found, facts.control)
        for row in case.derivatives
        if row.agreement == agreement
    ]
    return ", ".join(names)
