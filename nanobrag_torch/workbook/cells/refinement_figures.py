"""Figures of a refinement: data beside model, pulls, convergence, correlations."""

import math
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from nanobrag_torch.quantities import quantity
from nanobrag_torch.workbook.cells.figures import extent, pixels, strongest
from nanobrag_torch.workbook.cells.refinement import Refined
from nanobrag_torch.workbook.cells.refinement_case import Case
from nanobrag_torch.workbook.formatting import number
from nanobrag_torch.workbook.records.refinement import FAR
from nanobrag_torch.workbook.records.run import Caption
from nanobrag_torch.workbook.show.drawing import AUTOGRAD, DIFFERENCE, STYLE, Drawing
from nanobrag_torch.workbook.show.raster import Raster

#: Pixels across which an image is drawn, and values across which it can be looked into.
ACROSS, LOOKED_INTO = 400, 800
#: Residual in standard deviations at which the colours end.
STRONG = 5.0
#: Residual beyond which a reader is told no more than that: a level is a fifth of a standard deviation, then.
FARTHEST = 25.0
#: Spots that are marked at most, and those that have their indices beside them.
MARKED = 60
#: Expected photons from which on a pixel's residual is nearly normal.
NORMAL = 5.0
#: Okabe and Ito's colours that stand on white, and lines that tell parameters of one colour apart.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_LINES = ("-", "--", ":")
_MARKERS = "osv^DPX"
_TITLES = ("data", "model", "(data − model) / √model")


def counts(case: Case) -> Drawing:
    """The counts that are to be refined against, as far as they are not masked."""
    shown = case.counts.values.astype(float)
    if case.counts.mask is not None:
        shown = np.where(case.counts.mask, shown, 0.0)
    return pixels(shown, case.image or "Drawn at a known truth", "The counts", "counts / pixel")


def images(found: Refined) -> Drawing:
    """Data and model on one scale, and their difference in standard deviations, the spots of the model marked.

    A reader of the page may look into all three, which move together.
    """
    shape = found.case.counts.values.shape
    data, model = (_image(found, values, shape) for values in (found.result.observed, found.result.expected))
    with np.errstate(invalid="ignore", divide="ignore"):
        off = np.where(data == model, 0.0, (data - model) / np.sqrt(model))
    spots = _spots(model)
    top = float(np.nanmax([np.nanmax(data), np.nanmax(model), 1.0]))
    floor = max(float(np.nanpercentile(model, 5)), top * 1e-6)
    with rc_context(STYLE):
        figure = Figure(figsize=(12.4, 4.9), layout="constrained")
        _draw_images(figure, data, model, off, spots, (floor, top))
    outside = int(np.nansum(np.abs(off) > STRONG))
    return Drawing(
        figure,
        Caption(
            name="images",
            title="Data, model and what is left",
            caption=f"Photons per pixel, data and model on one logarithmic scale, and their difference in standard "
            f"deviations. Circles: the {len(spots)} brightest spots of the model. Grey: pixels that did not count.",
            alt=f"Three images of {shape[0]} by {shape[1]} pixels, the brightest pixel {number(top, 4)} photons. "
            f"{outside} residuals are beyond {STRONG:g} standard deviations.",
        ),
        _rasters(data, model, off, floor),
    )


def _draw_images(
    figure: Figure, data: np.ndarray, model: np.ndarray, off: np.ndarray, spots: np.ndarray, ends: tuple[float, float]
) -> None:
    floor, top = ends
    photons = {"norm": LogNorm(floor, max(top, 2 * floor)), "cmap": "magma"}
    sigmas: dict[str, Any] = {"vmin": -STRONG, "vmax": STRONG, "cmap": "RdBu_r"}
    rows, columns = data.shape
    factor = math.ceil(max(data.shape) / ACROSS)
    panels = figure.subplots(1, 3, sharex=True, sharey=True)
    shades = (photons, photons, sigmas)
    for axes, title, values, how in zip(panels, _TITLES, (data, model, off), shades, strict=True):
        blocks = _blocks(values if how is sigmas else np.maximum(values, floor), factor)
        shown = axes.imshow(blocks, extent=extent(blocks, factor), interpolation="nearest", **how)
        axes.set(xlim=(0, columns), ylim=(rows, 0), facecolor="0.6", title=title, xlabel="fast (pixels)")
        if title != "data":
            label = "standard deviations" if how is sigmas else "photons / pixel, both images"
            figure.colorbar(shown, ax=axes, label=label, shrink=0.8, location="bottom")
        colour = "black" if how is sigmas else "white"
        size = max(20.0, 3e5 / max(data.shape) ** 1.5)
        axes.scatter(
            spots[:, 1] + 0.5, spots[:, 0] + 0.5, s=size, facecolors="none", edgecolors=colour, linewidths=0.5,
            alpha=0.6,
        )  # fmt: skip
    panels[0].set_ylabel("slow (pixels)")


def _rasters(data: np.ndarray, model: np.ndarray, off: np.ndarray, floor: float) -> tuple[Raster, ...]:
    """Data, model and residuals in blocks to look into, at first in the colours of the picture."""
    block = math.ceil(max(data.shape) / LOOKED_INTO)
    data, model, off = (_blocks(each, block) for each in (data, model, off))
    photons: dict[str, Any] = {"unit": "photons / pixel", "block": block, "beside": (data, model), "dark": floor}
    sigmas: dict[str, Any] = {"unit": "standard deviations", "block": block, "most": FARTHEST, "bright": STRONG}
    return (
        Raster.of(data, title=_TITLES[0], **photons),
        Raster.of(model, title=_TITLES[1], **photons),
        Raster.signed(off, title=_TITLES[2], **sigmas),
    )


def pulls(found: Refined) -> Drawing:
    """Distances from the truth in standard errors, where there is a truth, beside the residuals of all pixels."""
    known = [each for each in found.record.values if each.pull is not None]
    with rc_context(STYLE):
        figure = Figure(figsize=(10.8, 3.8), layout="constrained")
        panels = figure.subplots(1, 2 if known else 1, squeeze=False)[0]
        if known:
            _draw_pulls(panels[0], [each.label for each in known], [each.pull or 0.0 for each in known])
        spread = _draw_residuals(panels[-1], found)
    spoken = "; ".join(f"{each.label} {each.pull:+.1f}" for each in known)
    return Drawing(
        figure,
        Caption(
            name="pulls",
            title="Pulls" if known else "Residuals of the pixels",
            caption=("Left: (refined − truth) / standard error; the band is one standard error, and two of three bars "
                     "should end in it. Right: residuals" if known else "Residuals")
            + f" of the pixels with {NORMAL:g} expected photons or more, beside a normal distribution.",
            alt=(f"Pulls: {spoken}. " if known else "") + f"The residuals have a standard deviation of {spread}.",
        ),
    )  # fmt: skip


def _draw_pulls(axes: Axes, labels: list[str], pulls: list[float]) -> None:
    axes.axhspan(-1, 1, color="0.92")
    axes.axhline(0, color="0.5", linewidth=0.8)
    colours = [AUTOGRAD if abs(pull) <= FAR else DIFFERENCE for pull in pulls]
    axes.bar(range(len(pulls)), pulls, color=colours, width=0.6)
    axes.set_xticks(range(len(labels)), labels, rotation=60, ha="right")
    limit = max(3.0, *(1.1 * abs(pull) for pull in pulls))
    axes.set_ylim(-limit, limit)
    axes.set_ylabel("(refined − truth) / σ")


def _draw_residuals(axes: Axes, found: Refined) -> str:
    """Draw the histogram of residuals; their standard deviation in words."""
    expected, observed = found.result.expected.numpy(), found.result.observed.numpy()
    chosen = expected >= NORMAL
    axes.set_xlabel("(data − model) / √model")
    axes.set_ylabel("pixels")
    if chosen.sum() < 2:
        axes.text(0.5, 0.5, "no pixel is bright enough", ha="center", va="center", transform=axes.transAxes)
        return "no pixel that is bright enough"
    off = (observed[chosen] - expected[chosen]) / np.sqrt(expected[chosen])
    bins = np.linspace(-STRONG, STRONG, 31)
    axes.hist(np.clip(off, -STRONG, STRONG), bins=list(bins), color=AUTOGRAD, alpha=0.75)
    at = np.linspace(-STRONG, STRONG, 201)
    height = chosen.sum() * (bins[1] - bins[0]) / math.sqrt(2 * math.pi)
    axes.plot(at, height * np.exp(-(at**2) / 2), color="black", linewidth=1.2, label="normal")
    axes.legend(frameon=False)
    return f"{off.std():.2f} over {chosen.sum()} pixels"


def convergence(found: Refined) -> Drawing:
    """Likelihood and parameters against steps, parameters in units of their standard errors where they have one."""
    history = found.result.history
    starts = [0, *(i for i in range(1, len(history)) if history[i].seconds < history[i - 1].seconds)]
    stages = [history[a:b] for a, b in zip(starts, [*starts[1:], len(history)], strict=True)]
    with rc_context(STYLE):
        figure = Figure(figsize=(10.8, 4.2), layout="constrained")
        left, right = figure.subplots(1, 2)
        for i, stage in enumerate(stages):
            steps = [each.step for each in stage]
            above = [max(each.loss - stage[-1].loss, 1e-7) for each in stage[:-1]]
            first = i == 0
            left.plot(
                steps[:-1], above, "o-", color=AUTOGRAD, markersize=4, label="−log L above its end" if first else None
            )
            promised = [max(each.decrease, 1e-9) for each in stage]
            left.plot(steps, promised, "s--", color=DIFFERENCE, markersize=4, label="promised" if first else None)
        for axes in (left, right):
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        left.set_yscale("log")
        left.set_xlabel("step")
        left.set_ylabel("decrease of −log L")
        left.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=2)
        unit = _draw_paths(right, found)
    return Drawing(
        figure,
        Caption(
            name="convergence",
            title="Convergence",
            caption="Left: −log L above its value at the end of a stage, and the decrease that the next step promises; "
            f"a stage is a choice of pixels, here {len(stages)}. Right: parameters, as distance from the end {unit}.",
            alt=f"{found.record.steps} steps in {len(stages)} stages. The last promised decrease is "
            f"{number(history[-1].decrease, 2) if history else '–'}.",
        ),
    )


def _draw_paths(axes: Axes, found: Refined) -> str:
    """Draw the parameters against steps; their unit in words."""
    history = found.result.history
    chosen = [each for each in found.record.values if any(each.name in point.state for point in history)]
    measured = any(each.sigma for each in chosen)
    chosen = [each for each in chosen if each.sigma or not measured]
    steps = [each.step for each in history]
    for i, each in enumerate(chosen):
        scale = each.sigma or abs(each.value - each.start) or 1.0
        axes.plot(
            steps, [(point.state.get(each.name, math.nan) - each.value) / scale for point in history],
            _LINES[i // len(_COLOURS) % len(_LINES)], color=_COLOURS[i % len(_COLOURS)],
            marker=_MARKERS[i % len(_MARKERS)], markersize=4, linewidth=1.2, label=each.label,
        )  # fmt: skip
    axes.axhspan(-1, 1, color="0.92")
    axes.set_yscale("symlog", linthresh=1)
    axes.set_xlabel("step")
    axes.set_ylabel("(value − end) / σ" if measured else "(value − end) / |end − start|")
    if chosen:
        axes.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    return "in standard errors, linear within the band of one" if measured else "in units of the whole way"


def correlations(found: Refined) -> Drawing:
    """Correlations of the estimates of all values that have a standard error."""
    matrix = found.result.correlation
    labels = [quantity(name).label for name in matrix.index]
    values = matrix.to_numpy()
    with rc_context(STYLE):
        figure = Figure(figsize=(10.8, 2.6 + 0.3 * len(labels)), layout="constrained")
        axes = figure.subplots()
        if not labels:
            said = "there is no fit, and so no correlation"
            axes.text(0.5, 0.5, said, ha="center", va="center", transform=axes.transAxes)
            axes.set_axis_off()
        else:
            shown = axes.imshow(values, cmap="RdBu_r", vmin=-1, vmax=1)
            axes.set_xticks(range(len(labels)), labels, rotation=60, ha="right")
            axes.set_yticks(range(len(labels)), labels)
            for (i, j), value in np.ndenumerate(values):
                if i != j and abs(value) >= 0.1:
                    colour = "white" if abs(value) > 0.6 else "black"
                    text = f"{value:.1f}".replace("-", "−")
                    axes.text(j, i, text, ha="center", va="center", fontsize=7, color=colour)
            figure.colorbar(shown, ax=axes, label="correlation", shrink=0.8)
            said = _strongest_pair(values, labels)
    return Drawing(
        figure,
        Caption(
            name="correlations",
            title="What the counts tell apart",
            caption="Correlation of the estimates: 1 or −1 where two parameters can make up for one another.",
            alt=f"Correlation matrix; {said}.",
        ),
    )


def _strongest_pair(values: np.ndarray, labels: list[str]) -> str:
    if len(labels) < 2:
        return "one parameter alone"
    without = np.abs(values - np.eye(len(labels)))
    i, j = np.unravel_index(int(without.argmax()), without.shape)
    return f"the strongest, {values[i, j]:.2f}, between {labels[i]} and {labels[j]}"


def _image(found: Refined, values: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Image (slow, fast) of the pixels that counted; NaN elsewhere."""
    image = np.full(shape, np.nan)
    image[found.result.slow.numpy(), found.result.fast.numpy()] = values.numpy()
    return image


def _blocks(image: np.ndarray, factor: int) -> np.ndarray:
    """The image in blocks, each as its strongest value; a block without pixels stays NaN."""
    if factor == 1:
        return image
    blocks = strongest(np.where(np.isnan(image), 0.0, image), factor)
    empty = strongest(~np.isnan(image), factor) == 0
    return np.where(empty, np.nan, blocks)


def _spots(model: np.ndarray) -> np.ndarray:
    """Places (n, 2) of the brightest local maxima (slow, fast) of a model, at most :data:`MARKED`."""
    padded = np.pad(np.nan_to_num(model), 2)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (5, 5))
    peaks = (model == windows.max((2, 3))) & (model > 3 * np.nanmedian(model))
    places = np.argwhere(peaks)
    return places[np.argsort(-model[tuple(places.T)])][:MARKED]
