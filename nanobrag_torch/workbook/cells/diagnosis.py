"""The gradient doctor in a notebook: tables of what was found, and the verdict of the run."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from torch import Tensor

from nanobrag_torch import doctor
from nanobrag_torch.doctor import GradientReport, diagnose
from nanobrag_torch.doctor.records import ParameterReport, Severity
from nanobrag_torch.quantities import quantity
from nanobrag_torch.scenario import Scenario
from nanobrag_torch.validation import number_of
from nanobrag_torch.workbook import files
from nanobrag_torch.workbook.formatting import number
from nanobrag_torch.workbook.records.run import Verdict
from nanobrag_torch.workbook.show import progress
from nanobrag_torch.workbook.show.tables import Table

FILE = "diagnosis.json"

#: How a run ends whose gravest verdict has this severity; a budget that was spent concludes nothing.
_ENDS: dict[Severity, Literal["passed", "failed", "blocked"]] = {
    "healthy": "passed",
    "explained": "passed",
    "warning": "passed",
    "fault": "failed",
    "unexamined": "blocked",
}


@dataclass(frozen=True)
class Saved:
    """A report of the doctor that knows how to put itself into a report folder; a cell shows it as its verdicts."""

    report: GradientReport

    def save(self, folder: Path, name: str = "") -> None:
        """Write the report as JSON below ``folder``."""
        files.write(folder / (name or FILE), self.report.to_json())

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        return verdicts(self.report)._repr_mimebundle_(include, exclude)


def examine(examined: Any, params: Any = None, *, name: str = "The diagnosis", **how: Any) -> GradientReport:
    """Diagnose with a bar. An interruption keeps what was examined, and reports the other parameters as unexamined.

    Args:
        examined: what :func:`nanobrag_torch.doctor.diagnose` takes.
        params: its parameters; None for a scenario.
        name: name of the bar.
        **how: further arguments of :func:`nanobrag_torch.doctor.diagnose`.

    Raises:
        DoctorError: as it does.
        KeyboardInterrupt: the interruption came before the first gradient.
    """
    with progress.shown(name, needed=True) as work:
        return diagnose(
            examined, params, progress=lambda done, total, step: work.at(done / total if total else None, step),
            interruptible=True, **how,
        )  # fmt: skip


def sensitivities(scenario: Scenario) -> dict[str, Tensor]:
    """Derivatives of the image (slow, fast) by each quantity, by its label; an interruption keeps those so far."""
    found: dict[str, Tensor] = {}
    with progress.shown("Which pixels respond") as work:
        for name in work.each(scenario.names, lambda name: quantity(name).label):
            found |= doctor.sensitivities(scenario.changed(names=(name,)))
    return found


def verdicts(report: GradientReport, digits: int = 10) -> Table:
    """Every parameter: gradient, finite difference, and what the doctor says."""
    rows = []
    for p in report.parameters:
        measured = "–"
        if p.finite_difference is not None:
            d = p.finite_difference
            measured = f"{number(d.derivative, digits)} ± {number(d.error, 1)}"
        rows.append(
            (
                p.label,
                f"{number(p.value, 6)} {p.unit}".strip(),
                number(p.gradient, digits),
                measured,
                number(p.cancellation, 2),
                p.verdict.code,
                p.verdict.title,
            )
        )
    return Table(
        caption=f"Gradients of {report.subject}: {report.verdict.title}",
        columns=("", "value", "autograd", "finite difference", "κ", "code", "verdict"),
        rows=tuple(rows),
    )


def evidence(report: GradientReport) -> Table:
    """Evidence of every verdict: place, numbers, and remedy."""
    rows = []
    for p in report.parameters:
        v = p.verdict
        facts = [f"{key}: {number(x, 6) if isinstance(x, float) else x}" for key, x in v.evidence.items()]
        place = ", ".join(part for part in (v.stage, v.source) if part)
        rows.append((p.label, v.code, place or "–", "; ".join(facts) or "–", v.remedy))
    columns = ("", "code", "where", "numbers", "what to do")
    return Table(caption="Evidence", columns=columns, rows=tuple(rows))


def stages(**reports: GradientReport) -> Table:
    """The signal at every stage of the physics, for each report by its name: the sum of |value x adjoint|."""
    by_name = {name: {stage.name: stage for stage in report.stages} for name, report in reports.items()}
    names = dict.fromkeys(stage for strip in by_name.values() for stage in strip)
    rows = tuple(
        (name, *(number(strip[name].signal, 6) if name in strip else "–" for strip in by_name.values()))
        for name in names
    )
    caption = "Σ |value × adjoint|, from the parameters to the loss"
    return Table(caption=caption, columns=("stage", *by_name), rows=rows)


def revivals(report: GradientReport) -> Table:
    """Factors that make the image dark, and the smallest change that lights it up."""
    rows = tuple((revival.factor, revival.stage, revival.change) for revival in report.revivals)
    columns = ("factor", "stage", "change")
    return Table(caption="What is zero, and what revives the image", columns=columns, rows=rows)


def unidentifiable(report: GradientReport) -> Table:
    """Parameters that no image tells apart."""
    directions = report.fisher.null_directions if report.fisher else ()
    rows = tuple(
        (", ".join(f"{name} {number(x, 4)}" for name, x in null.components.items()), null.known or "–")
        for null in directions
    )
    without = "none: some pixel notices every change" if report.fisher else "not examined"
    rows = rows or ((without, "–"),)
    return Table(caption="Directions that no pixel notices", columns=("change", "because"), rows=rows)


def answer_along(report: GradientReport, dark: GradientReport) -> str:
    """Answer to where along the physics the signal of a dark image dies; empty where no single stage explains it.

    Args:
        report: diagnosis of the control.
        dark: diagnosis of the case as found.
    """
    source = next((stage for stage in dark.stages if stage.zero_values == stage.elements), None)
    if source is None or source.name == dark.stages[-1].name or not all(p.connected for p in dark.parameters):
        return ""
    silent = sum(not stage.signal for stage in dark.stages)
    passing = sum(stage.signal > 0 for stage in report.stages)
    return (
        f"At the {source.name}, where all {source.elements} values are zero: {silent} of the {len(dark.stages)} stages "
        f"from {dark.stages[0].name} to {dark.stages[-1].name} pass no signal on, though the graph connects all "
        f"{len(dark.parameters)} parameters with the loss; in the control {passing} of {len(report.stages)} pass it on."
    )


def answer(report: GradientReport, as_found: GradientReport | None = None, scenario: Scenario | None = None) -> str:
    """Answer of a diagnosis in one sentence, with its numbers.

    Args:
        report: diagnosis that the run concludes from.
        as_found: diagnosis of the same case before it was lit, where there was one.
        scenario: scenario of ``as_found``, which tells a table of structure factors from ``default_F``.
    """
    checked = _checked(report)
    if as_found is None or as_found.image is None or as_found.image.lit:
        return f"{checked[0].upper()}{checked[1:]}."
    ends = f"the signal ends at the {as_found.revivals[0].stage}, " if as_found.revivals else ""
    control = f"{report.image.lit} of {report.image.pixels} pixels are lit, and " if report.image else ""
    return (
        f"{_cause(as_found, scenario)}: {ends}{as_found.image.lit} of {as_found.image.pixels} pixels are lit, and all "
        f"{len(as_found.parameters)} gradients are rightly zero; in the control {control}{checked}."
    )


def _cause(dark: GradientReport, scenario: Scenario | None) -> str:
    """Cause of a dark image, in the words of a crystallographer."""
    crystal = scenario.crystal if scenario and scenario.hkl_data is None else None
    if crystal is not None and number_of(crystal.default_F) == 0:
        return "default_F is 0 and no table was read, so every structure factor is zero"
    zero = " and ".join(revival.factor for revival in dark.revivals[:1])
    return f"The image is dark because of one factor, {zero}" if zero else "The image is dark for more than one reason"


def _checked(report: GradientReport) -> str:
    """Clause on how many gradients agree with finite differences, which, and how well."""
    right = [p for p in report.parameters if p.agreement == "agrees"]
    distances = [
        abs(p.gradient - p.finite_difference.derivative) / p.magnitude
        for p in right
        if p.gradient is not None and p.finite_difference is not None and p.magnitude
    ]
    worst = f", to {number(max(distances), 1)} of the contributions to them" if distances else ""
    others = [p for p in report.parameters if p.agreement != "agrees"]
    named = f" ({', '.join(p.label for p in right)})" if right and others else ""
    counted = f"all {len(right)}" if not others and len(right) > 1 else f"{len(right)} of {len(report.parameters)}"
    return f"{counted} gradients agree with finite differences{named}{worst}{_by_title(others)}"


def _by_title(parameters: Iterable[ParameterReport]) -> str:
    """Clauses on parameters, each a title of a verdict, its code where that is another word, and those it concerns."""
    found: dict[str, list[str]] = {}
    for p in parameters:
        code = "" if p.verdict.code in p.verdict.title else f" [{p.verdict.code}]"
        found.setdefault(f"{p.verdict.title}{code}", []).append(p.label)
    return "".join(f"; {title}: {', '.join(labels)}" for title, labels in found.items())


def conclude(
    report: GradientReport,
    as_found: GradientReport | None = None,
    scenario: Scenario | None = None,
    *,
    along: bool = False,
) -> Verdict:
    """Verdict of a run on one report; the arguments are those of :func:`answer`.

    With ``along`` the question is where along the physics the signal dies.
    """
    verdict = report.verdict
    concerned = [p.label for p in report.parameters if p.verdict.title == verdict.title]
    others = [p for p in report.parameters if p.verdict.title != verdict.title]
    name, title = verdict.code, f"{verdict.title[0].upper()}{verdict.title[1:]}"
    if any(p.verdict.code == name for p in others):  # a variety of it, which its title names
        name = title.partition(":")[0]
    counted = f"{len(concerned)} of {len(report.parameters)} parameters: {', '.join(concerned)}{_by_title(others)}"
    if verdict == report.modes:
        counted = "the model as a whole"
    loss = "not a number" if math.isnan(report.loss) else number(report.loss)
    said = answer_along(report, as_found) if along and as_found is not None else ""
    return Verdict(
        code=verdict.code,
        status=_ENDS[verdict.severity],
        title=title,
        sentence=f"{name} for {counted}. The loss is {loss}.",
        remedy=verdict.remedy,
        answer="" if verdict == report.modes else said or answer(report, as_found, scenario),
    )
