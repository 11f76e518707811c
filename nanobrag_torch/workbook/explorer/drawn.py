"""Drawings of an exploration as HTML: gradients with the error bars of finite differences, and the history of the loss.

The words and colours of a verdict are those of :func:`nanobrag_torch.doctor.report.to_html`.
"""

import math
from collections.abc import Mapping, Sequence
from html import escape

from nanobrag_torch.doctor import GradientReport
from nanobrag_torch.doctor.report import to_html
from nanobrag_torch.workbook.explorer.controls import Control

WIDE, ROW, HALF = 460, 22, 120
#: Middle of the bars, in pixels from the left.
MIDDLE = 330


def bars(
    gradients: Mapping[str, float | None],
    report: GradientReport | None,
    controls: Mapping[str, Control],
    pinned: Mapping[str, float | None] | None = None,
) -> str:
    """A bar for each gradient, with its finite difference once the doctor has measured it, and the pinned gradient.

    So that units do not matter, each derivative is multiplied by half of the slider's range at the start.

    Args:
        gradients: derivatives by autograd; None where the graph does not reach a number.
        report: the doctor's report on the same state; None while it is not ready.
        controls: controls by name.
        pinned: gradients of the state that is compared with.
    """
    ranges = {name: (controls[name].high - controls[name].low) / 2 for name in gradients}
    known = [abs(value) * ranges[name] for name, value in gradients.items() if value is not None]
    largest = max((size for size in known if math.isfinite(size)), default=0.0) or 1.0
    differences = {p.name: p.finite_difference for p in report.parameters} if report else {}
    rows = []
    for place, (name, value) in enumerate(gradients.items()):
        y = ROW * place + ROW / 2

        def across(derivative: float, name: str = name) -> float:
            return MIDDLE + HALF * max(-1.1, min(1.1, derivative * ranges[name] / largest))

        label = f"<text x='0' y='{y + 4}'>{escape(controls[name].label)}</text>"
        told = "no gradient" if value is None else f"{value:.4g}"
        label += f"<text x='190' y='{y + 4}' text-anchor='end' font-size='10'>{told}</text>"
        rows.append(label)
        was = (pinned or {}).get(name)
        if was is not None and math.isfinite(was):
            rows.append(_box(MIDDLE, across(was), y - 9, 4, "#999"))
        if value is not None and math.isfinite(value):
            rows.append(_box(MIDDLE, across(value), y - 4, 8, "#1565c0"))
        found = differences.get(name)
        if found is not None and math.isfinite(found.derivative):
            error = found.error if math.isfinite(found.error) else 0.0
            left, middle, right = (across(found.derivative + side * error) for side in (-1, 0, 1))
            rows.append(
                f"<path d='M{left:.1f} {y}H{right:.1f}M{left:.1f} {y - 4}v8M{right:.1f} {y - 4}v8"
                f"M{middle:.1f} {y - 7}v14' stroke='#b26a00' stroke-width='2' fill='none'/>"
            )
    high = ROW * max(1, len(gradients))
    return (
        f"<svg class='explorer-bars' {_fitting(high)} role='img' font-size='12' "
        f"aria-label='gradients: {escape(_spoken(gradients))}'>"
        f"<line x1='{MIDDLE}' x2='{MIDDLE}' y1='0' y2='{high}' stroke='#999'/>{''.join(rows)}</svg>"
        "<br><small>Blue: autograd, times half of the slider's range at the start. "
        "Orange: finite difference with its error bar. Grey: pinned.</small>"
    )


def losses(history: Sequence[float]) -> str:
    """The loss of the states that were seen, in their order."""
    values = [value for value in history if math.isfinite(value)]
    if not values:
        return ""
    low, high = min(values), max(values)
    step = (WIDE - 20) / max(1, len(values) - 1)
    points = " ".join(
        f"{10 + step * i:.1f},{70 - 60 * ((value - low) / (high - low) if high > low else 0.5):.1f}"
        for i, value in enumerate(values)
    )
    return (
        f"<small>loss {values[-1]:.6g}; {len(values)} states, from {low:.4g} to {high:.4g}</small><br>"
        f"<svg class='explorer-losses' {_fitting(80)} role='img' aria-label='history of the loss'>"
        f"<polyline points='{points}' fill='none' stroke='#1565c0'/></svg>"
    )


def verdict(report: GradientReport | None, last: GradientReport | None) -> str:
    """The doctor's table; a table of an earlier state is faded and said to be one, until the new one is ready."""
    if report is not None:
        code = escape(report.verdict.code)
        return f"<div class='explorer-verdict' style='overflow-x:auto' data-code='{code}'>{to_html(report)}</div>"
    if last is None:
        return ""
    return f"<div style='opacity:.4'><p>The verdict of an earlier state:</p>{to_html(last)}</div>"


def _fitting(high: float) -> str:
    """Attributes of a drawing that shrinks with its page."""
    return f"style='max-width:100%' viewBox='0 0 {WIDE} {high}' width='{WIDE}'"


def _box(one: float, other: float, y: float, high: float, colour: str) -> str:
    left, wide = min(one, other), max(1.0, abs(other - one))
    return f"<rect x='{left:.1f}' y='{y}' width='{wide:.1f}' height='{high}' fill='{colour}'/>"


def _spoken(gradients: Mapping[str, float | None]) -> str:
    return ", ".join(f"{name} {'none' if value is None else f'{value:.3g}'}" for name, value in gradients.items())
