"""Figures of two programs' images: side by side, their difference, and its largest pixels."""

from typing import TYPE_CHECKING

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize, SymLogNorm
from matplotlib.figure import Figure

from nanobrag_torch.cli.compare import ImagePair
from nanobrag_torch.workbook.cells.figures import pixels
from nanobrag_torch.workbook.formatting import number
from nanobrag_torch.workbook.records.run import Caption
from nanobrag_torch.workbook.show.drawing import STYLE, Drawing

if TYPE_CHECKING:
    from nanobrag_torch.workbook.parity.cases import StoredCase
    from nanobrag_torch.workbook.parity.gradients import Integrated

#: Number of pixels that are marked and listed, and decades of an image that are shown.
MARKED, DECADES = 8, 6


def comparison(pair: ImagePair, name: str = "one command line") -> Drawing:
    """Draw both images on one logarithmic scale, their difference on a linear one, and the pixels furthest apart."""
    ours, theirs = (np.nan_to_num(image.astype(np.float64)) for image in (pair.ours, pair.theirs))
    difference = ours - theirs
    order = np.argsort(-np.abs(difference), axis=None, kind="stable")[:MARKED]
    worst = [(int(s), int(f)) for s, f in zip(*np.unravel_index(order, difference.shape), strict=True)]
    worst = [place for place in worst if difference[place] != 0]
    with rc_context(STYLE):
        figure = Figure(figsize=(11.4, 9.6), layout="constrained")
        (left, right), (below, listed) = figure.subplots(2, 2)
        top = max(float(ours.max()), float(theirs.max()), 1e-30)
        for axes, image, title in ((left, ours, "ours"), (right, theirs, "theirs")):
            shown = np.maximum(image, top * 10.0**-DECADES)
            _draw(figure, axes, shown, LogNorm(top * 10.0**-DECADES, top), "magma", f"{title}, photons / pixel")
        limit = float(np.abs(difference).max()) or 1.0
        _draw(figure, below, difference, Normalize(-limit, limit), "RdBu_r", "ours − theirs, photons / pixel")
        for rank, (slow, fast) in enumerate(worst, 1):
            below.plot(fast + 0.5, slow + 0.5, "o", markerfacecolor="none", markeredgecolor="black", markersize=11)
            below.annotate(str(rank), (fast + 0.5, slow + 0.5), (7, 5), textcoords="offset points", fontsize=9)
        _list(listed, pair, worst)
    found = pair.comparison
    said = f"{found.different} of {found.pixels} pixels differ; the largest difference is {number(found.excess, 2)}"
    return Drawing(
        figure,
        Caption(
            name="comparison",
            title=f"Ours beside theirs: {name}",
            caption=f"Above: both images on one logarithmic scale. Below: their difference, its {len(worst)} furthest "
            "pixels marked and listed. A pixel differs beyond a millionth of itself plus 1e-9 of the maximum.",
            alt=f"Two diffraction images and their difference, {name}. {said} of its tolerance.",
        ),
    )


def stored(case: "StoredCase") -> Drawing:
    """Draw the image that the C program left for a case, a picture to begin with."""
    with np.load(case.arrays) as arrays:
        image = np.asarray(arrays["float"], dtype=np.float64)
    return pixels(image, case.name, "An image of the C program")


def interval(found: "Integrated") -> Drawing:
    """Draw the difference of two stored images, our gradient integrated in between, and the residual."""
    peak = float(np.abs(found.difference).max()) or 1.0
    left_over = (found.integral - found.difference) / found.rounding
    record = found.record
    with rc_context(STYLE):
        figure = Figure(figsize=(15.6, 4.9), layout="constrained")
        first, second, third = figure.subplots(1, 3)
        for axes, image, title in (
            (first, found.difference, "C program: difference of two images"),
            (second, found.integral, "ours: integral of the derivative"),
        ):
            scale = SymLogNorm(peak * 1e-3, vmin=-peak, vmax=peak)
            _draw(figure, axes, image, scale, "RdBu_r", f"{title}\nphotons / pixel", (-peak, 0.0, peak))
        _draw(figure, third, left_over, Normalize(-1, 1), "RdBu_r", "what is left\nroundings of the stored values")
    return Drawing(
        figure,
        Caption(
            name="interval",
            title="Our gradient between two images of the C program",
            caption=f"From λ = {record.low:.8g} to {record.high:.8g} Å ({record.low_case} to {record.high_case}). A "
            "pixel that is stored in single precision is known to half a unit of its last place; ±1 on the right is "
            "all that the two stored values leave open.",
            alt="Three images: the difference of two stored images, the integral of our derivative, and what is left. "
            f"{record.within} of {record.pixels} lie within rounding, the furthest at {number(record.largest, 3)}.",
        ),
    )


def _draw(
    figure: Figure,
    axes: Axes,
    image: np.ndarray,
    norm: Normalize,
    colours: str,
    title: str,
    ticks: tuple[float, ...] | None = None,
) -> None:
    """Draw an image with its scale.

    Args:
        figure: the figure.
        axes: axes of the image.
        image: the image, (slow, fast).
        norm: scale of its values.
        colours: name of a colour map.
        title: title of the axes.
        ticks: marks of the scale; None for the usual ones.
    """
    extent = (0, image.shape[1], image.shape[0], 0)
    shown = axes.imshow(image, norm=norm, cmap=colours, extent=extent, interpolation="nearest")
    bar = figure.colorbar(shown, ax=axes, shrink=0.85, ticks=ticks)
    if ticks is not None:
        bar.set_ticklabels([number(tick, 3) for tick in ticks])
        bar.minorticks_off()
    axes.set(title=title, xlabel="fast / pixel", ylabel="slow / pixel")


def _list(axes: Axes, pair: ImagePair, worst: list[tuple[int, int]]) -> None:
    """List the marked pixels as lines of text."""
    axes.axis("off")
    axes.set_title("pixels furthest apart", loc="left")
    lines = [f"{'':>3}{'slow':>6}{'fast':>6}{'ours':>16}{'theirs':>16}{'difference':>12}"]
    lines += [
        f"{rank:>3}{s:>6}{f:>6}{pair.ours[s, f]:>16.9g}{pair.theirs[s, f]:>16.9g}"
        f"{float(pair.ours[s, f]) - float(pair.theirs[s, f]):>12.2g}"
        for rank, (s, f) in enumerate(worst, 1)
    ]
    text = "\n".join(lines) if worst else "no pixel differs"
    axes.text(0, 0.97, text, family="monospace", fontsize=9, va="top", transform=axes.transAxes)
