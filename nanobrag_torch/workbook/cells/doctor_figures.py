"""The figures of the gradient doctor: derivatives side by side, where the signal dies, elements, steps, scans."""

import math
from collections.abc import Callable, Mapping

import numpy as np
import torch
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap, SymLogNorm
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from torch import Tensor

from nanobrag_torch.doctor import GradientReport, ParameterReport
from nanobrag_torch.doctor.records import MARKS
from nanobrag_torch.doctor.report import COLOURS, ELEMENT_COLOURS
from nanobrag_torch.workbook.cells.scan import Scan
from nanobrag_torch.workbook.errors import InputError
from nanobrag_torch.workbook.formatting import number
from nanobrag_torch.workbook.records.run import Caption
from nanobrag_torch.workbook.show.drawing import AUTOGRAD, DIFFERENCE, STYLE, Drawing

FORWARD = "#009E73"
#: Decades below the weakest signal that the axis reaches, so that a zero is seen to be one.
DECADES = 3


def derivatives(report: GradientReport) -> Drawing:
    """Autograd, finite difference and forward mode of every parameter, each on its own scale, coloured by verdict."""
    count = len(report.parameters)
    columns = min(6, count)
    rows = math.ceil(count / columns)
    with rc_context(STYLE):
        figure = Figure(figsize=(max(1.9 * columns, 4.2), 2.6 * rows + 0.6), layout="constrained")
        grid = list(figure.subplots(rows, columns, squeeze=False).flat)
        for axes, parameter in zip(grid, report.parameters, strict=False):
            _draw_parameter(axes, parameter)
        for axes in grid[count:]:
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
    axes.set_xlabel(number(p.gradient, 5), fontsize=9)
    axes.set_title(f"{p.label}: {p.verdict.code}", color=colour, fontsize=9)
    axes.tick_params(labelsize=8)


def output(function: Callable[[dict[str, Tensor]], Tensor], values: Mapping[str, Tensor]) -> Drawing:
    """The result of a function at its values, to begin with: an image, a curve, or the loss over its first number.

    Args:
        function: function of a dict of tensors.
        values: its numbers, by name.
    """
    name, at = next(iter(values.items()))
    with rc_context(STYLE):
        figure = Figure(figsize=(5.6, 3.6), layout="constrained")
        axes = figure.subplots()
        try:
            said = _draw_output(axes, function, dict(values), name, float(at))
        except Exception as error:  # of whatever kind the function raises: the doctor says what is the matter
            said = f"the function raises {type(error).__name__}"
            axes.text(0.5, 0.5, said, ha="center", va="center", transform=axes.transAxes)
            axes.set_axis_off()
    return Drawing(
        figure,
        Caption(
            name="output",
            title="What the function gives",
            caption="At the values that are examined; of a loss alone, over its first parameter.",
            alt=f"{said[0].upper()}{said[1:]}.",
        ),
        preview=True,
    )


def _draw_output(axes: Axes, function: Callable[..., Tensor], values: dict[str, Tensor], name: str, at: float) -> str:
    """Draw what a function gives, and return it in words; ``name`` is its first parameter, which stands ``at``."""
    with torch.no_grad():
        found = function({key: value.clone() for key, value in values.items()}).cpu().numpy()
        if found.ndim == 2:
            drawn = axes.imshow(found, cmap="magma", interpolation="nearest")
            axes.set(xlabel="fast / element", ylabel="slow / element")
            axes.figure.colorbar(drawn, ax=axes, label="value")
            return f"an image of {found.shape[0]} by {found.shape[1]} pixels, at most {number(float(found.max()), 4)}"
        if found.ndim:
            axes.plot(found.reshape(-1), color="black")
            axes.set(xlabel="element", ylabel="value")
            return f"a curve of {found.size} elements, at most {number(float(found.max()), 4)}"
        around = np.linspace(-0.1, 0.1, 21) * (abs(at) or 1.0) + at
        losses = [float(function({**values, name: torch.full_like(values[name], x)})) for x in around.tolist()]
    axes.plot(around, losses, color="black")
    axes.plot(at, float(found), "o", color=AUTOGRAD)
    axes.set(xlabel=name, ylabel="loss")
    return f"the loss over {name}, {number(float(found), 6)} at the values examined"


def stages(**reports: GradientReport) -> Drawing:
    """The signal from the loss back to the parameters: where it falls to zero, it dies."""
    weakest = min((s.signal for report in reports.values() for s in report.stages if s.signal > 0), default=1.0)
    floor = weakest * 10.0**-DECADES
    with rc_context(STYLE):
        figure = Figure(figsize=(9.5, 4.2), layout="constrained")
        axes = figure.subplots()
        width = 0.8 / len(reports)
        for index, (name, report) in enumerate(reports.items()):
            strip = report.stages[::-1]
            places = np.arange(len(strip)) + width * (index - (len(reports) - 1) / 2)
            colour = (AUTOGRAD, DIFFERENCE, FORWARD)[index % 3]
            axes.bar(places, [max(stage.signal, floor) for stage in strip], width, color=colour, label=name)
            for place, stage in zip(places, strip, strict=True):
                if stage.signal == 0:
                    axes.annotate("0", (place, floor), (0, 3), textcoords="offset points", ha="center", color=colour)
            axes.set_xticks(np.arange(len(strip)), [stage.name for stage in strip], rotation=20)
        axes.set_yscale("log")
        axes.set_ylabel("Σ |value × adjoint|")
        axes.set_ylim(bottom=floor)
        figure.legend(loc="outside upper right", frameon=False, ncols=3)
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
            "the sum of |value times adjoint|. A 0 in place of a bar is exactly zero: from there on nothing passes.",
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


def elements(report: GradientReport, name: str) -> Drawing:
    """Elements of a large tensor whose gradient is zero, not finite or wrong, by their place in it.

    Raises:
        InputError: nothing is known of single elements of that parameter.
    """
    found = report[name].elements
    if found is None:
        known = ", ".join(p.name for p in report.parameters if p.elements) or "none"
        raise InputError(
            f"elements of {name!r}: must be a tensor of more than six elements of which some have a gradient that is "
            f"zero, not finite or wrong. Those of this report: {known}."
        )
    # The blanks behind the end of a vector are left white.
    grid = np.array([[(*MARKS, " ").index(mark) for mark in row] for row in found.picture])
    colours = [ELEMENT_COLOURS[mark] for mark in MARKS] + ["white"]
    rows, columns = grid.shape
    with rc_context(STYLE):
        size = (2.2 + 4 * min(1.0, columns / rows), 1.4 + 4 * min(1.0, rows / columns))
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.subplots()
        axes.imshow(grid, cmap=ListedColormap(colours), vmin=-0.5, vmax=len(colours) - 0.5, interpolation="nearest")
        axes.set_xticks([])
        axes.set_yticks([])
        axes.set_title(" × ".join(str(n) for n in found.shape))
        seen = [mark for number, mark in enumerate(MARKS) if (grid == number).any()]
        handles = [Patch(facecolor=ELEMENT_COLOURS[m], edgecolor="black", label=MARKS[m]) for m in seen]
        figure.legend(handles=handles, loc="outside lower center", frameon=False, ncols=3)
    spoken = ", ".join(f"{count} {kind}" for kind, count in found.counts.items()) or "all right"
    return Drawing(
        figure,
        Caption(
            name=f"elements_{_plain(name)}",
            title=f"Elements of {report[name].label} by their gradient",
            caption=f"A cell is {found.cell[0]} × {found.cell[1]} elements, and shows the gravest of them. Zero and "
            "not finite are read off the gradient, wrong is what finite differences contradict; suspect lies in a "
            f"block that they contradict as a whole. The search took {found.calls} calls of the function.",
            alt=f"Of {math.prod(found.shape)} elements: {spoken}.",
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
            caption="The loss, evaluated on fresh objects at every point, and the tangent that the gradient says."
            + ("" if measured.whole else " An interruption ended the scan before the end of the range."),
            alt=f"The loss runs from {number(measured.losses[0], 5)} to {number(measured.losses[-1], 5)}; the tangent "
            f"has slope {number(measured.slope, 5)}.",
        ),
    )


def correlations(report: GradientReport) -> Drawing:
    """Parameters that the image tells apart: correlations of estimates, or, without an inverse, of effects."""
    fisher = report.fisher
    with rc_context(STYLE):
        figure = Figure(figsize=(6.2, 5.4), layout="constrained")
        axes = figure.subplots()
        if fisher is None:
            said = "no information: there is no image, or it is dark"
            axes.text(0.5, 0.5, said, ha="center", va="center", transform=axes.transAxes)
            axes.set_axis_off()
        else:
            matrix = np.array(fisher.matrix if fisher.correlations is None else fisher.correlations)
            length = np.sqrt(np.diag(matrix))
            what = "effects" if fisher.correlations is None else "estimates"
            said = f"rank {fisher.rank} of {len(fisher.names)}: correlation of the {what}"
            labels = [report[name].label for name in fisher.names]
            shown = axes.imshow(
                matrix / np.where(length > 0, length, 1) / np.where(length > 0, length, 1)[:, None],
                cmap="RdBu_r", vmin=-1, vmax=1,
            )  # fmt: skip
            axes.set_xticks(range(len(labels)), labels, rotation=60, ha="right")
            axes.set_yticks(range(len(labels)), labels)
            figure.colorbar(shown, ax=axes, label="correlation")
            axes.set_title(said)
    return Drawing(
        figure,
        Caption(
            name="correlations",
            title="What the image tells apart",
            caption="From the Fisher information under photon counting: the correlation of the parameters' estimates, "
            "or, where some cannot be told apart at all, of their effects on the image.",
            alt=f"Correlation matrix; {said}.",
        ),
    )


def sensitivities(images: dict[str, Tensor]) -> Drawing:
    """The derivative of every pixel by each parameter: images (slow, fast) by label."""
    columns = min(3, max(1, len(images)))
    rows = max(1, math.ceil(len(images) / columns))
    with rc_context(STYLE):
        figure = Figure(figsize=(3.6 * columns, 3.1 * rows), layout="constrained")
        grid = list(figure.subplots(rows, columns, squeeze=False).flat)
        for axes, (label, image) in zip(grid, images.items(), strict=False):
            pixels = image.numpy()
            peak = float(np.abs(pixels).max()) or 1.0
            norm = SymLogNorm(peak * 1e-3, vmin=-peak, vmax=peak)
            axes.imshow(pixels, cmap="RdBu_r", norm=norm, interpolation="nearest")
            axes.set_title(f"∂I/∂{label}, at most {number(peak, 3)}")
        for axes in grid[len(images) :]:
            axes.set_visible(False)
    return Drawing(
        figure,
        Caption(
            name="sensitivity_images",
            title="Which pixels respond",
            caption="Derivative of every pixel by each parameter, in forward mode; red grows, blue falls, near zero "
            "the scale is linear.",
            alt="Images of pixel derivatives by " + (", ".join(images) or "nothing") + ".",
        ),
    )


def _plain(name: str) -> str:
    return "".join(c if c.isascii() and c.isalnum() else "_" for c in name).strip("_") or "parameter"
