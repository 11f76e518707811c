"""The figures of the gradient doctor: derivatives side by side, where the signal dies, steps, scans, correlations."""

import math

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from nanobrag_torch.doctor import GradientReport, ParameterReport
from nanobrag_torch.doctor.html import COLOURS
from nanobrag_torch.workbook.display import number
from nanobrag_torch.workbook.examined import Scan
from nanobrag_torch.workbook.figures import AUTOGRAD, DIFFERENCE, STYLE, Drawing
from nanobrag_torch.workbook.records import Caption

FORWARD = "#009E73"
#: The lowest signal that is drawn: what is zero stands on it.
FLOOR = 1e-30


def derivatives(report: GradientReport) -> Drawing:
    """Autograd, finite difference and forward mode of every parameter, each on its own scale, coloured by verdict."""
    count = len(report.parameters)
    columns = min(6, count)
    rows = math.ceil(count / columns)
    with rc_context(STYLE):
        figure = Figure(figsize=(max(1.9 * columns, 4.2), 2.6 * rows + 0.6), layout="constrained")
        grid = np.atleast_1d(figure.subplots(rows, columns, squeeze=False)).flat
        for axes, parameter in zip(grid, report.parameters, strict=False):
            _draw_parameter(axes, parameter)
        for axes in list(grid)[count:]:
            axes.set_visible(False)
        seen = dict.fromkeys(p.verdict.severity for p in report.parameters)
        handles = [Patch(color=COLOURS[severity], label=severity) for severity in seen]
        figure.legend(handles=handles, loc="outside lower center", frameon=False, ncols=5)
    spoken = "; ".join(f"{p.label} {number(p.gradient, 5)}, {p.verdict.code}" for p in report.parameters)
    return Drawing(
        figure,
        Caption(
            name="derivatives",
            title="Three derivatives of every parameter",
            caption="The gradient by autograd (bar, in the colour of its verdict), the finite difference with its "
            "error bar (vermilion) and the forward-mode derivative (green cross). Without a bar there is no gradient.",
            alt=f"A panel for each parameter. {spoken}.",
        ),
    )


def _draw_parameter(axes: Axes, p: ParameterReport) -> None:
    colour = COLOURS[p.verdict.severity]
    if p.gradient is not None and math.isfinite(p.gradient):
        axes.bar(0, p.gradient, 0.7, color=colour)
    if p.finite_difference is not None and math.isfinite(p.finite_difference.derivative):
        d = p.finite_difference
        axes.errorbar(0.6, d.derivative, d.error, fmt="o", color=DIFFERENCE, capsize=4)
    if p.forward_derivative is not None:
        axes.plot(1.0, p.forward_derivative, "x", color=FORWARD, markersize=8, markeredgewidth=2)
    axes.axhline(0, color="black", linewidth=0.8)
    axes.set_xlim(-0.6, 1.4)
    axes.set_xticks([])
    axes.set_title(f"{p.label}: {p.verdict.code}", color=colour, fontsize=9)
    axes.tick_params(labelsize=8)


def stages(**reports: GradientReport) -> Drawing:
    """The signal from the loss back to the parameters: where it falls to zero, it dies."""
    with rc_context(STYLE):
        figure = Figure(figsize=(9.5, 4.2), layout="constrained")
        axes = figure.subplots()
        colours = (AUTOGRAD, DIFFERENCE, FORWARD)
        for index, (name, report) in enumerate(reports.items()):
            names = [stage.name for stage in reversed(report.stages)]
            signal = [max(stage.signal, FLOOR) for stage in reversed(report.stages)]
            places = np.arange(len(names)) + 0.8 * (index - (len(reports) - 1) / 2) / len(reports)
            axes.bar(places, signal, 0.8 / len(reports), color=colours[index % len(colours)], label=name)
            axes.set_xticks(np.arange(len(names)), names, rotation=20)
        axes.set_yscale("log")
        axes.set_ylabel("Σ |value × adjoint|")
        axes.set_ylim(bottom=FLOOR)
        axes.legend(frameon=False)
    spoken = "; ".join(
        f"{name}: " + (", ".join(s.name for s in report.stages if s.signal == 0) or "no stage") + " without signal"
        for name, report in reports.items()
    )
    return Drawing(
        figure,
        Caption(
            name="stages",
            title="Where the signal dies",
            caption="From the loss (left) back to the parameters (right): what each stage contributes to the loss, as "
            "the sum of |value times adjoint|. A bar at the bottom of the axis is exactly zero.",
            alt=f"Bars for every stage of the physics. {spoken}.",
        ),
    )


def steps(report: GradientReport, name: str) -> Drawing:
    """The finite difference of one parameter against its step, with the gradient as a line."""
    p = report[name]
    with rc_context(STYLE):
        figure = Figure(figsize=(6.5, 3.8), layout="constrained")
        axes = figure.subplots()
        if p.finite_difference is not None:
            d = p.finite_difference
            axes.plot(d.steps, d.quotients, "o-", color=DIFFERENCE, label="quotient")
            axes.axhspan(d.derivative - d.error, d.derivative + d.error, color=DIFFERENCE, alpha=0.25)
            axes.axhline(d.derivative, color=DIFFERENCE, linestyle="--", label="extrapolated")
        if p.gradient is not None and math.isfinite(p.gradient):
            axes.axhline(p.gradient, color=AUTOGRAD, label="autograd")
        axes.set_xscale("log")
        axes.set(xlabel=f"step / {p.unit or '1'}", ylabel=f"∂L/∂{p.label}")
        axes.legend(frameon=False)
    return Drawing(
        figure,
        Caption(
            name=f"steps_{_plain(name)}",
            title=f"Finite difference of {p.label} against its step",
            caption="A smooth loss converges with the square of the step; a loss with jumps scatters, and settles only "
            "where no jump lies within the step. The band is the error bar.",
            alt=f"Quotients {p.finite_difference.pattern if p.finite_difference else 'not measured'}; "
            f"autograd {number(p.gradient, 6)}.",
        ),
    )


def scan(measured: Scan) -> Drawing:
    """The loss over a range of one quantity, with the tangent that the gradient says."""
    with rc_context(STYLE):
        figure = Figure(figsize=(6.5, 3.8), layout="constrained")
        axes = figure.subplots()
        axes.plot(measured.positions, measured.losses, color="black", label="loss")
        axes.plot(measured.at, measured.loss, "o", color=AUTOGRAD)
        if measured.slope is not None:
            x = np.array([min(measured.positions), max(measured.positions)])
            axes.plot(
                x, measured.loss + measured.slope * (x - measured.at), color=AUTOGRAD, label="tangent by autograd"
            )
            low, high = min(measured.losses), max(measured.losses)
            margin = 0.1 * (high - low) or 1.0
            axes.set_ylim(low - margin, high + margin)
        axes.set(xlabel=f"{measured.label} / {measured.unit or '1'}", ylabel="loss")
        axes.legend(frameon=False)
    return Drawing(
        figure,
        Caption(
            name=f"scan_{_plain(measured.label)}",
            title=f"The loss over {measured.label}",
            caption="The loss, evaluated on fresh objects at every point, and the tangent that the gradient says.",
            alt=f"The loss runs from {number(measured.losses[0], 5)} to {number(measured.losses[-1], 5)}; the tangent "
            f"has slope {number(measured.slope, 5)}.",
        ),
    )


def correlations(report: GradientReport) -> Drawing:
    """How the estimates of the parameters would be correlated, from the Fisher information."""
    fisher = report.fisher
    with rc_context(STYLE):
        figure = Figure(figsize=(6.2, 5.4), layout="constrained")
        axes = figure.subplots()
        if fisher is None or fisher.correlations is None:
            said = (
                "no information: the image is dark" if fisher is None else f"rank {fisher.rank} of {len(fisher.names)}"
            )
            axes.text(0.5, 0.5, said, ha="center", va="center", transform=axes.transAxes)
            axes.set_axis_off()
        else:
            said = f"condition {number(fisher.condition, 3)}"
            shown = axes.imshow(np.array(fisher.correlations), cmap="RdBu_r", vmin=-1, vmax=1)
            labels = [report[name].label for name in fisher.names]
            axes.set_xticks(range(len(labels)), labels, rotation=60, ha="right")
            axes.set_yticks(range(len(labels)), labels)
            figure.colorbar(shown, ax=axes, label="correlation")
            axes.set_title(said)
    return Drawing(
        figure,
        Caption(
            name="correlations",
            title="What the image tells apart",
            caption="Correlation of the parameters' estimates under photon counting, from the Fisher information. "
            "Where the rank is not full, some parameters cannot be told apart at all.",
            alt=f"Correlation matrix; {said}.",
        ),
    )


def _plain(name: str) -> str:
    return "".join(c if c.isascii() and c.isalnum() else "_" for c in name).strip("_") or "parameter"
