"""Comparison of options for a lit fixture, held to the strength of the gradients that a test of it would look at."""

from typing import TYPE_CHECKING

from nanobrag_torch.workbook import Evidence, Table, Verdict, number

from .records import Option, Options

if TYPE_CHECKING:
    from nanobrag_torch.workbook.cells.probe import Case


def weigh(floor: float, *cases: "Case") -> Options:
    """Hold the cases, from the simplest, to ``floor``, the least κ of every gradient."""
    options = tuple(_option(case.evidence, floor) for case in cases)
    accepted = [option.name for option in options if option.accepted]
    return Options(floor=floor, options=options, accepted=len(accepted), chosen=next(iter(accepted), None))


def objection(evidence: Evidence, floor: float) -> str:
    """Objection to a fixture as a gradient test, in words; empty where there is none."""
    if evidence.dark:
        return "the image is dark"
    if evidence.unchecked:
        return f"its examination was interrupted before {', '.join(evidence.unchecked)}"
    unsure = [row.symbol for row in evidence.derivatives if row.agreement != "agrees"]
    if unsure:
        return f"autograd and finite difference do not agree for {', '.join(unsure)}"
    weak = [row.symbol for row in evidence.derivatives if (row.cancellation or 0.0) < floor]
    if weak:
        return f"the gradient of {', '.join(weak)} is less than {floor:g} of its contributions"
    return ""


def smallest_cancellation(evidence: Evidence) -> float:
    """Least κ of all parameters; 0 where there are no contributions."""
    return min((row.cancellation or 0.0 for row in evidence.derivatives), default=0.0)


def conclude(options: Options) -> Verdict:
    """Verdict of phase C: the simplest option that is accepted."""
    objections = "; ".join(f"{option.name}: {option.because}" for option in options.options if not option.accepted)
    if options.chosen is None and any(option.evidence.unchecked for option in options.options):
        return Verdict(
            code="options_interrupted", status="interrupted", title="The comparison was interrupted",
            sentence=f"No option is accepted so far. {objections}.", remedy="Run the notebook again.",
        )  # fmt: skip
    if options.chosen is None:
        return Verdict(
            code="no_option_accepted", status="failed", title="No option makes a gradient test that means something",
            sentence=f"{objections}.", remedy="Lower the floor with a reason, or add an option.",
            answer=f"From none of the {len(options.options)} options: no gradient test on them would mean something.",
        )  # fmt: skip
    chosen = next(option for option in options.options if option.accepted)
    others = f"Not accepted are {objections}" if objections else "The others would do as well"
    return Verdict(
        code="option_accepted", status="passed", title=f"The fixture gets its structure factors from: {options.chosen}",
        sentence="It is lit, all six gradients agree with finite differences, and each keeps at least "
        f"{options.floor:g} of its contributions. {others}.",
        remedy="Build the repaired test on it.",
        answer=f"From {chosen.name}: {chosen.evidence.lit_pixels} of {chosen.evidence.pixels} pixels are lit, all "
        f"{len(chosen.evidence.derivatives)} cell gradients agree with finite differences, and at least "
        f"{number(chosen.smallest_cancellation, 2)} of the contributions is left in each ({options.floor:g} is asked).",
    )  # fmt: skip


def table(options: Options) -> Table:
    """Table of the options side by side."""
    rows = tuple(
        (
            option.name,
            number(option.evidence.loss),
            f"{option.evidence.lit_pixels} of {option.evidence.pixels}",
            number(option.smallest_cancellation, 2),
            "accepted" if option.accepted else option.because,
        )
        for option in options.options
    )
    columns = ("option", "loss", "lit pixels", "smallest κ", "acceptance")
    return Table(caption=f"Options, with a floor of {options.floor:g} for κ", columns=columns, rows=rows)


def _option(evidence: Evidence, floor: float) -> Option:
    because = objection(evidence, floor)
    return Option(
        name=evidence.case,
        evidence=evidence,
        smallest_cancellation=smallest_cancellation(evidence),
        accepted=not because,
        because=because,
    )
