"""The figures of a report, in colours that all eyes can tell apart, and in words for those who cannot see them."""

import math
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, SymLogNorm
from matplotlib.figure import Figure

from nanobrag_torch.config import DetectorConfig
from nanobrag_torch.workbook.formatting import number
from nanobrag_torch.workbook.records.evidence import Derivative, Evidence
from nanobrag_torch.workbook.records.run import Caption
from nanobrag_torch.workbook.show.drawing import AUTOGRAD, DARK, DIFFERENCE, OUTLINE, STYLE, Drawing
from nanobrag_torch.workbook.show.raster import Raster

if TYPE_CHECKING:
    from nanobrag_torch.scenario import Scenario
    from nanobrag_torch.workbook.cells.probe import Case

#: Resolutions at which rings may be drawn, Angstrom.
RINGS = (50, 30, 20, 15, 10, 8, 6, 5, 4, 3.5, 3, 2.5, 2.2, 2, 1.8, 1.6, 1.4, 1.2, 1.1, 1, 0.9, 0.8, 0.7, 0.6, 0.5)

#: Pixels across which an image, and each of six small ones, is drawn: finer than that a screen shows only moiré.
IMAGE_PIXELS, PANEL_PIXELS = 512, 205

_ALL_ZERO, _PHOTONS = "every pixel is exactly 0", "photons / pixel"
#: What is said of six derivatives that all have the same verdict.
_TOGETHER = {
    frozenset({"agrees"}): "autograd and finite difference agree",
    frozenset({"zero"}): "every derivative is exactly 0",
}


def diffraction(*cases: "Case") -> Drawing:
    """The image of each case on a logarithmic scale, with beam centre and resolution rings."""
    with rc_context(STYLE):
        figure = Figure(figsize=(5.4 * len(cases), 5.2), layout="constrained")
        for case, axes in zip(cases, np.atleast_1d(figure.subplots(1, len(cases))), strict=True):
            _draw_image(figure, axes, case)
    described = "; ".join(f"{case.evidence.case}: {_brightness(case.evidence)}" for case in cases)
    return Drawing(
        figure,
        Caption(
            name="diffraction",
            title="The diffraction image",
            caption="Photons per pixel on a logarithmic scale; slow axis downwards, fast axis to the right. "
            "The cross is the beam centre, the circles are resolution rings in Å.",
            alt=f"Diffraction images. {described}.",
        ),
        tuple(_raster(case) for case in cases if case.image.isfinite().all() and (case.image >= 0).all()),
    )


def images(shown: Mapping[str, Any], unit: str = _PHOTONS, decades: float = 4) -> Drawing:
    """Images side by side, each on a logarithmic scale of its own down from its brightest pixel.

    Args:
        shown: images (slow, fast) by title, as tensors or arrays; what is negative or not finite is drawn as dark.
        unit: unit of their values.
        decades: powers of ten that the scale spans.

    Raises:
        ValueError: there is no image.
    """
    if not shown:
        raise ValueError("images: there is none. Give one or more by title.")
    pixels = {
        title: np.asarray(image.detach() if hasattr(image, "detach") else image) for title, image in shown.items()
    }
    figure = _side_by_side(
        {title: np.nan_to_num(image.astype(float)) for title, image in pixels.items()}, unit, decades
    )
    brightest = "; ".join(f"{title}: at most {number(float(image.max()), 4)}" for title, image in pixels.items())
    return Drawing(
        figure,
        Caption(
            name="images",
            title=" and ".join(shown),
            caption=f"{unit}, logarithmic over {decades:g} decades; slow axis downwards, fast axis to the right.",
            alt=f"Diffraction images, {unit}. {brightest}.",
        ),
    )


def pattern(**scenarios: "Scenario") -> Drawing:
    """The image of each scenario by its name, before anything else is known of it: a picture to begin a notebook with.

    It is made by the fastest engine. Where no image can be computed, the drawing says so.
    """
    shown = {name.replace("_", " "): _image(scenario) for name, scenario in scenarios.items()}
    return Drawing(
        _side_by_side({f"{name[0].upper()}{name[1:]}": image for name, image in shown.items()}),
        Caption(
            name="pattern",
            title="The image that this is about",
            caption="Photons per pixel on a logarithmic scale; slow axis downwards, fast axis to the right.",
            alt=f"Diffraction images. {'; '.join(_seen(name, image) for name, image in shown.items())}.",
        ),
        preview=True,
    )


def pixels(image: np.ndarray, said: str, title: str, unit: str = _PHOTONS) -> Drawing:
    """An image (slow, fast) on a logarithmic scale: a picture to begin a notebook with.

    Args:
        image: values, of which those below a millionth of the largest are drawn as that.
        said: words above it.
        title: title of the figure.
        unit: unit of the values.
    """
    brightest = number(float(np.nanmax(image, initial=-math.inf)), 4)
    return Drawing(
        _side_by_side({said: image}, unit),
        Caption(
            name="pattern",
            title=title,
            caption="On a logarithmic scale; slow axis downwards, fast axis to the right.",
            alt=f"{said}: image of {image.shape[0]} by {image.shape[1]} pixels, {brightest} {unit} at most.",
        ),
        preview=True,
    )


def _image(scenario: "Scenario") -> np.ndarray | None:
    """The image of a scenario (slow, fast) by the fastest engine, or None where none can be computed."""
    with suppress(ValueError):
        return scenario.changed(engine="auto").image().detach().cpu().numpy()
    return None


def _side_by_side(shown: Mapping[str, np.ndarray | None], unit: str = _PHOTONS, decades: float = 6) -> Figure:
    """Images (slow, fast) by title, each on a scale of its own, with words on what has nothing to be seen."""
    with rc_context(STYLE):
        figure = Figure(figsize=(max(5.4, 4.2 * len(shown)), 4.6), layout="constrained")
        for (title, image), axes in zip(shown.items(), figure.subplots(1, len(shown), squeeze=False)[0], strict=True):
            axes.set_title(title, fontweight="bold")
            if image is None:
                _say(axes, "no image can be computed")
                axes.set_facecolor(DARK)
                continue
            _draw_pixels(figure, axes, image, unit, decades)
            if not np.isfinite(image).all():
                _say(axes, "some pixels are not finite")
            elif not image.any():
                _say(axes, _ALL_ZERO)
            axes.set(xlabel="fast / pixel", ylabel="slow / pixel")
    return figure


def _seen(name: str, image: np.ndarray | None) -> str:
    if image is None:
        return f"{name}: no image can be computed"
    lit = int(np.count_nonzero(image))
    return f"{name}: {lit} of {image.size} pixels lit, the brightest {number(float(np.nanmax(image)), 4)} photons"


def gradients(found: Evidence, control: Evidence) -> Drawing:
    """Gradient by autograd beside its finite difference with error bar, for the case as found and for the control."""
    with rc_context(STYLE):
        figure = Figure(figsize=(10.8, 7.4), layout="constrained")
        grid = figure.subplots(2, 2, sharey="row")
        for evidence, row in zip((found, control), grid, strict=True):
            for axes, rows in zip(row, (evidence.derivatives[:3], evidence.derivatives[3:]), strict=True):
                _draw_bars(axes, rows)
                if evidence.dark:
                    axes.set_facecolor(DARK)
            row[0].set_title(_bars_title(evidence), loc="left", fontweight="bold")
            row[0].set_ylabel("change of the loss")
            row[0].set_ylim(-_limit(evidence), _limit(evidence))
        figure.legend(*grid[0][0].get_legend_handles_labels(), loc="outside lower center", frameon=False, ncols=2)
    return Drawing(
        figure,
        Caption(
            name="gradients",
            title="Gradient beside finite difference",
            caption="Derivative of the loss with respect to each cell parameter: by autograd (blue) and by "
            "extrapolated central differences (vermilion, with error bar), on a scale that is linear near zero and "
            "logarithmic beyond. Above: the case as found. Below: the control, where only structure factors differ.",
            alt=f"Bars per cell parameter. {_spoken(found)} {_spoken(control)}",
        ),
    )


def sensitivities(case: "Case") -> Drawing:
    """The derivative of every pixel with respect to each cell parameter."""
    with rc_context(STYLE):
        figure = Figure(figsize=(10.8, 6.2), layout="constrained")
        panels = list(figure.subplots(2, 3).flat)
        for axes in panels:
            axes.set_visible(False)  # one of a parameter that was not checked stays empty
        for axes, row in zip(panels, case.evidence.derivatives, strict=False):
            axes.set_visible(True)
            _draw_sensitivity(figure, axes, case.sensitivities[row.parameter].numpy(), row)
    return Drawing(
        figure,
        Caption(
            name="sensitivities",
            title="Sensitivity images",
            caption=f"Derivative of every pixel with respect to one cell parameter ({case.evidence.case}); red grows, "
            "blue falls, near zero the scale is linear. κ is what is left of the contributions when they are summed: "
            "where it is small, a loss that only sums pixels throws most of this information away.",
            alt="Six images of pixel derivatives. "
            + "; ".join(f"{r.symbol}: cancellation {number(r.cancellation, 2)}" for r in case.evidence.derivatives),
        ),
    )


def _name(case: "Case") -> str:
    return f"{case.evidence.case.capitalize()}: default_F = {case.evidence.default_F:g}"


def _block(case: "Case") -> int:
    """Pixels, along each axis, that are drawn as one."""
    return max(1, case.image.shape[0] // IMAGE_PIXELS)


def _raster(case: "Case") -> Raster:
    """Values of the image as it is drawn."""
    block = _block(case)
    return Raster.of(strongest(case.image.numpy(), block), title=_name(case), unit=_PHOTONS, block=block)


def _draw_image(figure: Figure, axes: Axes, case: "Case") -> None:
    size = case.image.shape[0]
    if not _draw_pixels(figure, axes, case.image.numpy()) > 0:
        _say(axes, _ALL_ZERO)
    slow, fast = case.beam_centre
    axes.plot(fast, slow, "+", color="white", markersize=12, markeredgewidth=1.5, path_effects=OUTLINE)
    angle = np.linspace(0, 2 * np.pi, 181)
    for resolution, radius in rings(case):
        axes.plot(fast + radius * np.cos(angle), slow + radius * np.sin(angle), "--", color="white", linewidth=1.0)
        axes.text(
            fast, slow - radius, f"{resolution:g} Å", color="white", fontsize=9, ha="center", va="center",
            path_effects=OUTLINE, clip_on=True,
        )  # fmt: skip
    axes.set(xlim=(0, size), ylim=(size, 0), xlabel="fast / pixel", ylabel="slow / pixel")
    axes.set_title(_name(case), fontweight="bold")


def _draw_pixels(figure: Figure, axes: Axes, image: np.ndarray, unit: str = _PHOTONS, decades: float = 6) -> float:
    """Draw an image (slow, fast) with its scale, which spans ``decades``, and return its brightest value."""
    factor = max(1, min(image.shape) // IMAGE_PIXELS)
    pixels = strongest(image, factor)
    brightest = float(np.nanmax(pixels, initial=-math.inf))
    floor, top = (brightest * 10.0**-decades, brightest) if 0 < brightest < math.inf else (10.0**-decades, 1.0)
    shown = axes.imshow(
        np.maximum(pixels, floor),
        norm=LogNorm(floor, top),
        cmap="magma",
        extent=extent(pixels, factor),
        interpolation="nearest",
    )
    axes.set(xlim=(0, image.shape[1]), ylim=(image.shape[0], 0))
    if brightest > 0:
        figure.colorbar(shown, ax=axes, label=unit, shrink=0.85)
    return brightest


def _say(axes: Axes, words: str) -> None:
    axes.text(
        0.5, 0.36, words, color="white", ha="center", va="center", fontsize=15, fontweight="bold",
        transform=axes.transAxes, path_effects=OUTLINE,
    )  # fmt: skip


def rings(case: "Case") -> Iterator[tuple[float, float]]:
    """(resolution in Angstrom, radius in pixels) of the rings that fit one panel, a fifth of its half apart."""
    detector, wavelength = case.scenario.detector, float(case.scenario.beam.wavelength_A)
    if not isinstance(detector, DetectorConfig):  # many panels have no one distance
        return
    half, last = detector.spixels / 2, 0.0
    for resolution in RINGS:
        sine = wavelength / (2 * resolution)
        if sine >= math.sin(math.pi / 4):
            return
        radius = float(detector.distance_mm) * math.tan(2 * math.asin(sine)) / float(detector.pixel_size_mm)
        if last + half / 5 <= radius <= half * 0.94:
            last = radius
            yield resolution, radius


def _draw_bars(axes: Axes, rows: tuple[Derivative, ...]) -> None:
    places = np.arange(len(rows))
    autograd = [math.nan if row.gradient is None else row.gradient for row in rows]
    difference = [row.finite_difference for row in rows]
    axes.bar(places - 0.2, autograd, 0.36, color=AUTOGRAD, label="autograd")
    axes.bar(
        places + 0.2, difference, 0.36, yerr=[row.error_bar for row in rows], color=DIFFERENCE, capsize=6,
        label="finite difference, with error bar", hatch="//", edgecolor="white",
    )  # fmt: skip
    axes.axhline(0, color="black", linewidth=0.8)
    axes.set_yscale("symlog", linthresh=1.0)
    for place, row, value in zip(places, rows, autograd, strict=True):
        above = not value < 0
        axes.annotate(
            f"{number(row.gradient, 7)}\n{number(row.finite_difference, 7)} ± {number(row.error_bar, 1)}",
            (place, value if math.isfinite(value) else 0.0), (0, 7 if above else -7), textcoords="offset points",
            ha="center", va="bottom" if above else "top", fontsize=9,
        )  # fmt: skip
    axes.set_xticks(places, [f"∂L/∂{row.symbol}  (1/{row.unit})" for row in rows])
    axes.tick_params(axis="x", length=0, pad=6)


def _limit(evidence: Evidence) -> float:
    """Half the height of the bars' axis: room for the numbers beyond the longest bar, on a logarithmic scale."""
    values = [abs(v) for row in evidence.derivatives for v in (row.gradient, row.finite_difference) if v is not None]
    return 300 * max([value for value in values if math.isfinite(value)] + [1.0])


def _draw_sensitivity(figure: Figure, axes: Axes, image: np.ndarray, row: Derivative) -> None:
    factor = math.ceil(image.shape[0] / PANEL_PIXELS)
    pooled = strongest(image, factor)
    peak = float(np.abs(pooled).max()) or 1.0
    shown = axes.imshow(
        pooled, cmap="RdBu_r", norm=SymLogNorm(peak * 1e-3, vmin=-peak, vmax=peak), interpolation="nearest",
        extent=extent(pooled, factor),
    )  # fmt: skip
    axes.set(xlim=(0, image.shape[1]), ylim=(image.shape[0], 0))
    bar = figure.colorbar(shown, ax=axes, shrink=0.85, ticks=[-peak, 0, peak], format=lambda value, _: number(value, 3))
    bar.ax.minorticks_off()
    axes.set_title(f"∂I/∂{row.symbol}  per {row.unit},  κ = {number(row.cancellation, 2)}")
    axes.tick_params(labelsize=8)


def strongest(image: np.ndarray, factor: int) -> np.ndarray:
    """The image in blocks of ``factor`` by ``factor``, each as its strongest value, so that no spot is lost.

    The last block along an axis may stand out beyond the image.
    """
    factor = max(1, factor)
    padded = np.pad(image, [(0, -size % factor) for size in image.shape])
    rows, columns = (size // factor for size in padded.shape)
    split = padded.reshape(rows, factor, columns, factor)
    blocks = split.transpose(0, 2, 1, 3).reshape(rows, columns, factor * factor)
    return np.take_along_axis(blocks, np.abs(blocks).argmax(-1)[..., None], -1)[..., 0]


def extent(blocks: np.ndarray, factor: int) -> tuple[float, float, float, float]:
    """Edges of an image in blocks, in pixels of the detector, as matplotlib asks for them."""
    return 0, blocks.shape[1] * factor, blocks.shape[0] * factor, 0


def _brightness(evidence: Evidence) -> str:
    if evidence.dark:
        return "every pixel is exactly zero"
    return (
        f"{evidence.lit_pixels} of {evidence.pixels} pixels lit, the brightest {number(evidence.image_max, 4)} photons"
    )


def _bars_title(evidence: Evidence) -> str:
    verdicts = {row.agreement for row in evidence.derivatives}
    what = "the image is dark" if evidence.dark else "the image is lit"
    said = _TOGETHER.get(frozenset(verdicts), f"autograd against finite difference: {', '.join(sorted(verdicts))}")
    return f"{evidence.case.capitalize()} (default_F = {evidence.default_F:g}): {what}; {said}"


def _spoken(evidence: Evidence) -> str:
    values = ", ".join(f"{row.symbol} {number(row.gradient, 5)} ({row.agreement})" for row in evidence.derivatives)
    return f"{evidence.case.capitalize()}: {values}."
