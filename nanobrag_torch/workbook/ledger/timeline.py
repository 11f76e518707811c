"""Timeline of gradients: every gradient of an initiative over its runs, as small curves with error bars."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from nanobrag_torch.workbook.formatting import in_words, measured, with_error
from nanobrag_torch.workbook.records.base import GRADIENT, KeyNumber
from nanobrag_torch.workbook.report.archive import Run

#: Size of a curve, and the margin that keeps its dots inside, in pixels.
WIDTH, HEIGHT, MARGIN = 260, 40, 6
#: Runs in one curve: the latest of them.
LONGEST = 60


@dataclass(frozen=True)
class Dot:
    """One run on a curve.

    Attributes:
        x: its place in pixels, from the left; ``y`` is that from the top.
        above: place of the upper end of its error bar, and ``below``, of the lower one; ``y`` where it has none.
        number: the gradient.
        stamp: stamp of the run, and ``page``, its page below the reports.
    """

    x: float
    y: float
    above: float
    below: float
    number: KeyNumber
    stamp: str
    page: str

    @property
    def text(self) -> str:
        """The gradient with error bar and unit; ten digits where it has no error bar."""
        return measured(self.number)


@dataclass(frozen=True)
class Curve:
    """One gradient of one phase over its runs, the latest last; between the lowest and the highest error bar."""

    phase: str
    name: str
    dots: tuple[Dot, ...]

    @property
    def path(self) -> str:
        """Points of the polyline through the dots, as SVG writes them."""
        return " ".join(f"{dot.x:.1f},{dot.y:.1f}" for dot in self.dots)

    @property
    def several(self) -> bool:
        """True where more than one run found it, so that there is something to compare."""
        return len(self.dots) > 1

    @property
    def change(self) -> str:
        """Value of the latest run less that of the run before, in words, with the error bars of both."""
        if not self.several:
            return "–"
        last, before = self.last.number, self.dots[-2].number
        change = last.value - before.value
        if change == 0:
            return "none"
        if last.error is None or before.error is None:
            return measured(KeyNumber(value=change, scale=0.0, unit=last.unit), 3)
        error = math.hypot(last.error, before.error)
        within = ", within the error bars" if abs(change) <= error else ""
        return f"{with_error(change, error)} {in_words(last.unit)}".rstrip() + within

    @property
    def first(self) -> Dot:
        """The oldest run that is drawn."""
        return self.dots[0]

    @property
    def last(self) -> Dot:
        """The latest run."""
        return self.dots[-1]


def timeline(runs: Iterable[Run]) -> tuple[Curve, ...]:
    """Curves of every gradient among the key numbers of ``runs``, by phase and name.

    Values that are not finite have no place on a curve and are left out.
    """
    values: dict[tuple[str, str], list[tuple[Run, KeyNumber]]] = {}
    for run in sorted(runs, key=lambda run: run.order):
        for name, entry in run.manifest.numbers.items() if run.manifest else ():
            if GRADIENT in name and math.isfinite(entry.value):
                values.setdefault((run.phase, name), []).append((run, entry))
    return tuple(_curve(phase, name, found[-LONGEST:]) for (phase, name), found in sorted(values.items()))


def _curve(phase: str, name: str, found: list[tuple[Run, KeyNumber]]) -> Curve:
    bars = [_bar(number) for _, number in found]
    low, high = min(low for low, _ in bars), max(high for _, high in bars)
    across = (WIDTH - 2 * MARGIN) / max(1, len(found) - 1)
    dots = tuple(
        Dot(
            x=MARGIN + index * across,
            y=_height(number.value, low, high),
            above=_height(bar[1], low, high),
            below=_height(bar[0], low, high),
            number=number,
            stamp=run.stamp,
            page=run.page,
        )
        for index, ((run, number), bar) in enumerate(zip(found, bars, strict=True))
    )
    return Curve(phase, name.replace(GRADIENT, ", "), dots)


def _bar(number: KeyNumber) -> tuple[float, float]:
    """Ends of an error bar, the lower one first; the value twice where it has none that is finite."""
    error = number.error if number.error is not None and math.isfinite(number.error) else 0.0
    return number.value - error, number.value + error


def _height(value: float, low: float, high: float) -> float:
    """Distance from the top, in pixels: least for the highest value, equal values in the middle."""
    spread = high - low
    part = (value - low) / spread if spread and math.isfinite(spread) else 0.5
    return MARGIN + (1 - part) * (HEIGHT - 2 * MARGIN)
