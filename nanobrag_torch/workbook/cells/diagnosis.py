"""The gradient doctor in a notebook: tables of what was found, and the verdict of the run."""

import math
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from nanobrag_torch.doctor import GradientReport
from nanobrag_torch.doctor.records import Severity
from nanobrag_torch.workbook import files
from nanobrag_torch.workbook.formatting import number
from nanobrag_torch.workbook.records.run import Verdict
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
    return Table(caption="Directions that no pixel notices", columns=("change", "because"), rows=rows)


def conclude(report: GradientReport) -> Verdict:
    """The verdict of a run on one report."""
    verdict = report.verdict
    concerned = [p.label for p in report.parameters if p.verdict.title == verdict.title]
    counts = Counter(p.verdict.code for p in report.parameters)
    counted = f"{len(concerned)} of {len(report.parameters)} parameters: {', '.join(concerned)}"
    if verdict == report.modes:
        counted = "the model as a whole"
    if len(counts) > 1:
        counted += f". All: {', '.join(f'{count} {code}' for code, count in counts.most_common())}"
    loss = "not a number" if math.isnan(report.loss) else number(report.loss)
    return Verdict(
        code=verdict.code,
        status=_ENDS[verdict.severity],
        title=f"{verdict.title[0].upper()}{verdict.title[1:]}",
        sentence=f"{verdict.code} for {counted}. The loss is {loss}.",
        remedy=verdict.remedy,
    )
