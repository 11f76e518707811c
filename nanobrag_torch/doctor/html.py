"""A report as a self-contained piece of HTML, for notebooks and report pages: bars, table, stages."""

import math
from html import escape

from nanobrag_torch.doctor.records import GradientReport, ParameterReport, Severity

#: One colour a severity, used wherever a verdict is drawn.
COLOURS: dict[Severity, str] = {
    "healthy": "#2e7d32",
    "explained": "#1565c0",
    "warning": "#b26a00",
    "fault": "#c62828",
    "unexamined": "#616161",
}
_BAR = 160


def table(report: GradientReport) -> str:
    """The whole report: verdict, a row with a bar for every parameter, the strip of stages."""
    verdict = report.verdict
    rows = "".join(_row(parameter, _largest(report)) for parameter in report.parameters)
    heads = "".join(
        f"<th style='text-align:left'>{head}</th>"
        for head in ("parameter", "value", "gradient", "", "finite difference", "verdict", "what to do")
    )
    return (
        f"<div><p><b style='color:{COLOURS[verdict.severity]}'>{escape(verdict.code)}: {escape(verdict.title)}</b><br>"
        f"{escape(_summary(report))}</p><table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"
        f"{_strip(report)}</div>"
    )


def number(value: float | None) -> str:
    """Six digits, or a dash for what is not there."""
    return "–" if value is None else f"{value:.6g}"


def _summary(report: GradientReport) -> str:
    parts = [f"loss {number(report.loss)} in {report.dtype}"]
    if report.image is not None:
        parts.append(f"{report.image.lit} of {report.image.pixels} pixels lit, largest {number(report.image.largest)}")
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
    measured = "–" if difference is None else f"{number(difference.derivative)} ± {difference.error:.1g}"
    evidence = "; ".join(f"{key} {number(v) if isinstance(v, float) else v}" for key, v in p.verdict.evidence.items())
    where = ", ".join(place for place in (p.verdict.stage, p.verdict.source) if place)
    cells = (
        escape(f"{p.label}"),
        escape(f"{number(p.value)} {p.unit}"),
        number(p.gradient),
        _bar(p, largest, colour),
        measured,
        f"<b style='color:{colour}'>{escape(p.verdict.code)}</b> {escape(p.verdict.title)}"
        + (f"<br><small>{escape(evidence)}</small>" if evidence else "")
        + (f"<br><small>at {escape(where)}</small>" if where else ""),
        escape(p.verdict.remedy),
    )
    return "<tr>" + "".join(f"<td style='text-align:left'>{cell}</td>" for cell in cells) + "</tr>"


def _bar(p: ParameterReport, largest: float, colour: str) -> str:
    """The gradient as a bar from the middle, its finite difference as a line across."""
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
        f"<svg width='{_BAR}' height='16' role='img' aria-label='gradient {number(p.gradient)}'>"
        f"<line x1='{half}' x2='{half}' y1='0' y2='16' stroke='#999'/>"
        f"<rect x='{left:.1f}' y='4' width='{max(abs(length), 1):.1f}' height='8' fill='{colour}'/>{mark}</svg>"
    )


def _strip(report: GradientReport) -> str:
    """The signal at every stage: where it dies, the row says so."""
    if not report.stages:
        return ""
    rows = "".join(
        f"<tr><td style='text-align:left'>{escape(stage.name)}</td><td>{number(stage.value)}</td>"
        f"<td>{number(stage.adjoint)}</td><td>{number(stage.signal)}</td></tr>"
        for stage in report.stages
    )
    heads = "".join(f"<th>{h}</th>" for h in ("stage", "largest value", "largest adjoint", "Σ |value · adjoint|"))
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"
