"""Report of a diagnosis: written as JSON and read back the same, and shown as HTML. Reading one needs no torch."""

import math
from dataclasses import dataclass, replace
from html import escape
from itertools import groupby
from operator import itemgetter
from typing import Any

from . import codec
from .records import (
    MARKS,
    Cost,
    Elements,
    Fisher,
    GradientVerdict,
    ImageSummary,
    ParameterReport,
    Revival,
    SecondDerivative,
    Severity,
    Stage,
)

#: Bumped when a field changes its meaning or goes away.
SCHEMA_VERSION = 1

#: Colour of every severity, wherever a verdict is drawn.
COLOURS: dict[Severity, str] = {
    "healthy": "#2e7d32",
    "explained": "#1565c0",
    "warning": "#b26a00",
    "fault": "#c62828",
    "unexamined": "#616161",
}
#: Colour of every mark in a picture of elements.
ELEMENT_COLOURS: dict[str, str] = {".": "#e8f5e9", "0": "#90caf9", "?": "#ffcc80", "W": "#c62828", "n": "#212121"}
_BAR, _CELL = 160, 6


@dataclass(frozen=True)
class GradientReport:
    """Diagnosis of one loss and its parameters, as :func:`nanobrag_torch.doctor.diagnose` returns it.

    In a notebook it shows itself as a table with bars; printed it is a table in words.

    Attributes:
        subject: "scenario", or the name of the function.
        dtype: precision of the parameters, "float64" or "float32".
        loss: value of the loss; NaN where it is not finite or no image could be computed.
        repeatable: the same values gave the same loss twice.
        verdict: gravest verdict of the parameters and ``modes``; among equals the most frequent.
        parameters: one report a parameter, in the order given.
        image: pixel counts and extremes of the image; None without an image.
        stages: signal at every step of the physics; empty outside the simulator.
        fisher: information in the image about the parameters; None without a lit image.
        revivals: fewest changes that put signal into a dark image.
        cost: evaluations and seconds.
        modes: verdict on a module whose gradients are of another kind in train than in eval; None where they are not,
            or were not compared.
        schema_version: version of the JSON's fields.

    Example:
        ```python
        report = GradientReport.from_json(Path("diagnosis.json").read_text(encoding="utf-8"))
        report.verdict.code  # "Z1"
        report["crystal.cell_a"].gradient  # 0.0
        ```
    """

    subject: str
    dtype: str
    loss: float
    repeatable: bool
    verdict: GradientVerdict
    parameters: tuple[ParameterReport, ...]
    image: ImageSummary | None
    stages: tuple[Stage, ...]
    fisher: Fisher | None
    revivals: tuple[Revival, ...]
    cost: Cost
    modes: GradientVerdict | None = None
    schema_version: int = SCHEMA_VERSION

    def __getitem__(self, name: str) -> ParameterReport:
        """Report on the parameter of that name.

        Raises:
            KeyError: no such parameter was examined; the message names those that were.
        """
        for parameter in self.parameters:
            if parameter.name == name:
                return parameter
        raise KeyError(f"{name!r}: must be one of {', '.join(p.name for p in self.parameters)}")

    @property
    def codes(self) -> dict[str, str]:
        """Code of every parameter's verdict, by name."""
        return {parameter.name: parameter.verdict.code for parameter in self.parameters}

    @property
    def alarms(self) -> tuple[ParameterReport, ...]:
        """Reports on the parameters whose gradient is at fault."""
        return tuple(p for p in self.parameters if p.verdict.severity == "fault")

    def to_json(self) -> str:
        """Write the report as JSON; :meth:`from_json` gives an equal one."""
        return codec.to_json(self)

    @classmethod
    def from_json(cls, text: str) -> "GradientReport":
        """Read a report from what :meth:`to_json` wrote.

        Raises:
            ValueError: the text is anything else; the message names the place.
        """
        return codec.from_json(cls, text)

    def __str__(self) -> str:
        return to_text(self)

    def _repr_html_(self) -> str:
        return to_html(self)

    def without_timing(self) -> "GradientReport":
        """Copy of the report with its seconds set to zero: equal for equal work."""
        return replace(self, cost=replace(self.cost, seconds=0.0))


def report_schema() -> dict[str, Any]:
    """JSON schema (draft 2020-12) of a report."""
    return codec.schema(GradientReport)


def to_text(report: GradientReport) -> str:
    """Show a report as text: verdict, a line for every parameter, and the remedies."""
    heads = ("parameter", "value", "gradient", "finite difference", "verdict")
    table = [heads, *(_words(parameter) for parameter in report.parameters)]
    widths = [max(len(row[column]) for row in table) for column in range(len(heads))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table]
    lines.insert(1, "  ".join("-" * width for width in widths))
    modes = [_line(report.modes)] if report.modes else []
    remedies = dict.fromkeys(
        f"{verdict.code}: {verdict.remedy}"
        for verdict in (*([report.modes] if report.modes else []), *(p.verdict for p in report.parameters))
        if verdict.remedy and verdict.severity != "healthy"
    )
    done = ["", "What to do:", *(f"  {remedy}" for remedy in remedies)] if remedies else []
    head = f"Gradients of {report.subject}: {_line(report.verdict)}"
    return "\n".join([head, _summary(report), *modes, "", *lines, *done])


def _line(verdict: GradientVerdict) -> str:
    """Title of a verdict, with its code where that is another word."""
    return verdict.title if verdict.code in verdict.title else f"{verdict.title} [{verdict.code}]"


def _words(p: ParameterReport) -> tuple[str, ...]:
    """Cells of one parameter in a table of text."""
    difference = p.finite_difference
    measured = "–" if difference is None else f"{_number(difference.derivative)} ± {difference.error:.1g}"
    source = ":".join((p.verdict.source or "").split(":")[:2])  # file and line, without the text of the line
    where = ", ".join(place for place in (p.verdict.stage, source) if place)
    verdict = f"{_line(p.verdict)}{f', at {where}' if where else ''}{f'; {_second(p.second)}' if p.second else ''}"
    return p.label, f"{_number(p.value)} {p.unit}".strip(), _number(p.gradient), measured, verdict


def to_html(report: GradientReport) -> str:
    """Show a report as self-contained HTML: verdict, a row with a bar for every parameter, the strip of stages."""
    verdict = report.verdict
    modes = _finding(report.modes) if report.modes else ""
    rows = "".join(_row(parameter, _largest(report)) for parameter in report.parameters)
    heads = "".join(
        f"<th style='text-align:left'>{head}</th>"
        for head in ("parameter", "value", "gradient", "", "finite difference", "verdict", "what to do")
    )
    return (
        f"<div><p><b style='color:{COLOURS[verdict.severity]}'>{escape(verdict.code)}: {escape(verdict.title)}</b><br>"
        f"{escape(_summary(report))}</p>{modes}<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"
        f"{_strip(report)}</div>"
    )


def _finding(verdict: GradientVerdict) -> str:
    """Verdict on the whole model as a line."""
    evidence = "; ".join(f"{key} {value}" for key, value in verdict.evidence.items())
    return (
        f"<p><b style='color:{COLOURS[verdict.severity]}'>{escape(verdict.title)}</b>"
        f"<br><small>{escape(evidence)}</small><br>{escape(verdict.remedy)}</p>"
    )


def _number(value: float | None) -> str:
    """Six digits, or a dash for None."""
    return "–" if value is None else f"{value:.6g}"


def _summary(report: GradientReport) -> str:
    parts = [f"loss {_number(report.loss)} in {report.dtype}"]
    if report.image is not None:
        parts.append(f"{report.image.lit} of {report.image.pixels} pixels lit, largest {_number(report.image.largest)}")
    if report.revivals:
        parts.append("to revive it: " + " and ".join(revival.change for revival in report.revivals))
    parts.append(f"{report.cost.evaluations} evaluations, {report.cost.seconds:.1f} s")
    return "; ".join(parts)


def _largest(report: GradientReport) -> float:
    sizes = [abs(p.gradient) for p in report.parameters if p.gradient is not None and math.isfinite(p.gradient)]
    return max(sizes, default=0.0)


def _row(p: ParameterReport, largest: float) -> str:
    colour = COLOURS[p.verdict.severity]
    difference = p.finite_difference
    measured = "–" if difference is None else f"{_number(difference.derivative)} ± {difference.error:.1g}"
    evidence = "; ".join(f"{key} {_number(v) if isinstance(v, float) else v}" for key, v in p.verdict.evidence.items())
    where = ", ".join(place for place in (p.verdict.stage, p.verdict.source) if place)
    cells = (
        escape(f"{p.label}"),
        escape(f"{_number(p.value)} {p.unit}"),
        _number(p.gradient),
        _bar(p, largest, colour),
        measured,
        f"<b style='color:{colour}'>{escape(p.verdict.code)}</b> {escape(p.verdict.title)}"
        + (f"<br><small>{escape(evidence)}</small>" if evidence else "")
        + (f"<br><small>at {escape(where)}</small>" if where else "")
        + (f"<br><small>{escape(_second(p.second))}</small>" if p.second else "")
        + (f"<br>{_picture(p.elements)}" if p.elements else ""),
        escape(p.verdict.remedy),
    )
    return "<tr>" + "".join(f"<td style='text-align:left'>{cell}</td>" for cell in cells) + "</tr>"


def _second(second: SecondDerivative) -> str:
    difference = second.finite_difference
    measured = "–" if difference is None else f"{_number(difference.derivative)} ± {difference.error:.1g}"
    return f"second derivative: {second.verdict.code}, {_number(second.product)}, by differences {measured}"


def _picture(elements: Elements) -> str:
    """Picture of the elements of a tensor, a square for every mark; equal neighbours of a row are drawn as one."""
    boxes = "".join(
        f"<rect x='{_CELL * start}' y='{_CELL * row}' width='{_CELL * length}' height='{_CELL}' "
        f"fill='{ELEMENT_COLOURS[mark]}'/>"
        for row, marks in enumerate(elements.picture)
        for start, length, mark in _runs(marks)
    )
    seen = [mark for mark in MARKS if any(mark in marks for marks in elements.picture)]
    legend = ", ".join(f"<span style='color:{ELEMENT_COLOURS[mark]}'>■</span> {MARKS[mark]}" for mark in seen)
    wide, high = _CELL * len(elements.picture[0]), _CELL * len(elements.picture)
    spoken = ", ".join(f"{count} {kind}" for kind, count in elements.counts.items()) or "all right"
    return (
        f"<svg width='{wide}' height='{high}' role='img' aria-label='elements: {spoken}'>{boxes}</svg>"
        f"<br><small>{legend}</small>"
    )


def _runs(marks: str) -> list[tuple[int, int, str]]:
    """Start, length and mark of every run of equal marks in a row, blanks left out."""
    runs = [
        (next(group)[0], 1 + sum(1 for _ in group), mark) for mark, group in groupby(enumerate(marks), itemgetter(1))
    ]
    return [run for run in runs if run[2] != " "]


def _bar(p: ParameterReport, largest: float, colour: str) -> str:
    """Gradient as a bar from the middle, its finite difference as a line across."""
    if p.gradient is None or not math.isfinite(p.gradient) or not largest:
        return ""
    half = _BAR / 2
    length = half * p.gradient / largest
    left = half + min(length, 0)
    mark = ""
    if p.finite_difference is not None and math.isfinite(p.finite_difference.derivative):
        at = half + half * max(-1.0, min(1.0, p.finite_difference.derivative / largest))
        mark = f"<line x1='{at:.1f}' x2='{at:.1f}' y1='1' y2='15' stroke='black'/>"
    return (
        f"<svg width='{_BAR}' height='16' role='img' aria-label='gradient {_number(p.gradient)}'>"
        f"<line x1='{half}' x2='{half}' y1='0' y2='16' stroke='#999'/>"
        f"<rect x='{left:.1f}' y='4' width='{max(abs(length), 1):.1f}' height='8' fill='{colour}'/>{mark}</svg>"
    )


def _strip(report: GradientReport) -> str:
    """Table of the signal at every stage, in which a zero shows where it dies."""
    if not report.stages:
        return ""
    rows = "".join(
        f"<tr><td style='text-align:left'>{escape(stage.name)}</td><td>{_number(stage.value)}</td>"
        f"<td>{_number(stage.adjoint)}</td><td>{_number(stage.signal)}</td></tr>"
        for stage in report.stages
    )
    heads = "".join(f"<th>{h}</th>" for h in ("stage", "largest value", "largest adjoint", "Σ |value · adjoint|"))
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"
