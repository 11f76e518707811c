"""Verification of the repaired test: it passes, and its fixture is lit with gradients that are strong enough."""

from nanobrag_torch.workbook import Evidence, TestRecord, Verdict, number

from .phase_c import objection, smallest_cancellation
from .records import Verified


def verify(test: TestRecord, evidence: Evidence, floor: float) -> Verified:
    """Hold the test that ran, and the evidence on its fixture, to ``floor``, the least κ of every gradient."""
    cut_off = test.status == "interrupted"
    return Verified(
        test="" if cut_off else test.test,
        passed=test.status == "passed",
        lit_pixels=evidence.lit_pixels,
        agreeing=sum(row.agreement == "agrees" for row in evidence.derivatives),
        floor=floor,
        smallest_cancellation=smallest_cancellation(evidence),
        objection=objection(evidence, floor),
        interrupted="the fixture" if evidence.unchecked else "the test" if cut_off else "",
    )


def conclude(verified: Verified) -> Verdict:
    """Verdict of phase D: the repair holds, or not."""
    if verified.passed and not verified.objection:
        return Verdict(
            code="repair_verified", status="passed", title="The repaired test passes, and means something",
            sentence=f"{verified.test} passes. Its image is lit in {verified.lit_pixels} pixels, {verified.agreeing} "
            f"gradients agree with finite differences, and each keeps at least {verified.floor:g} of its "
            "contributions.",
            remedy="Close the plan.",
            answer=f"Yes: the repaired test passes on an image that is lit in {verified.lit_pixels} pixels, "
            f"{verified.agreeing} cell gradients agree with finite differences, and at least "
            f"{number(verified.smallest_cancellation, 2)} of the contributions is left in each "
            f"({verified.floor:g} is asked).",
        )  # fmt: skip
    if verified.interrupted == "the fixture":
        return Verdict(
            code="fixture_interrupted", status="interrupted", title="The examination of the fixture was interrupted",
            sentence=f"Nothing is said of the repair: {verified.objection}.", remedy="Run the notebook again.",
        )  # fmt: skip
    if not verified.test and not verified.objection:
        if verified.interrupted:
            title, first = "The fixture is sound; its test was interrupted", "The mapped test was interrupted"
            remedy, run = "Run the notebook again.", "The test was interrupted"
        else:
            title, first = "The fixture is sound; its test was not run", "Without a mapped test"
            remedy, run = "Name the repaired test as mapped_test, and run again.", "It was not run"
        return Verdict(
            code="fixture_verified", status="passed", title=title,
            sentence=f"{first}. The image of the fixture is lit in {verified.lit_pixels} pixels, "
            f"{verified.agreeing} gradients agree with finite differences, and each keeps at least {verified.floor:g} "
            "of its contributions.",
            remedy=remedy,
            answer=f"{run}, but would stand on sound ground: {verified.lit_pixels} pixels are lit, and "
            f"{verified.agreeing} cell gradients agree with finite differences.",
        )  # fmt: skip
    why = verified.objection or "the test fails"
    return Verdict(
        code="repair_refuted", status="failed", title="The repair does not hold",
        sentence=f"{verified.test or 'Without a mapped test'}: {why}.",
        remedy="Go back to phase C, or correct the test.", answer=f"No: {why}.",
    )  # fmt: skip
