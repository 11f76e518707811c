"""Timeline of gradients: every gradient of an initiative over its runs, as small curves without axes."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from nanobrag_torch.workbook.records.base import GRADIENT
from nanobrag_torch.workbook.report.archive import Run

#: Size of a curve, and the margin that keeps its dots inside, in pixels.
WIDTH, HEIGHT, MARGIN = 260, 40, 6
#: Runs in one curve: the latest of them.
LONGEST = 60


@dataclass(frozen=True)
class Dot:
    """One run on a curve: its place in pixels, and its value."""

    x: float
    y: float
    value: float
    stamp: str
    page: str


@dataclass(frozen=True)
class Curve:
    """One gradient of one phase over its runs, the latest last; between the lowest and the highest value."""

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
    def change(self) -> float:
        """Value of the latest run less that of the run before; not a number where there is none."""
        return self.last.value - self.dots[-2].value if self.several else math.nan

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
    values: dict[tuple[str, str], list[tuple[Run, float]]] = {}
    for run in sorted(runs, key=lambda run: run.order):
        for name, entry in run.manifest.numbers.items() if run.manifest else ():
            if GRADIENT in name and math.isfinite(entry.value):
                values.setdefault((run.phase, name), []).append((run, entry.value))
    return tuple(_curve(phase, name, found[-LONGEST:]) for (phase, name), found in sorted(values.items()))


def _curve(phase: str, name: str, found: list[tuple[Run, float]]) -> Curve:
    low, high = min(value for _, value in found), max(value for _, value in found)
    across = (WIDTH - 2 * MARGIN) / max(1, len(found) - 1)
    dots = tuple(
        Dot(MARGIN + index * across, _height(value, low, high), value, run.stamp, run.page)
        for index, (run, value) in enumerate(found)
    )
    return Curve(phase, name.replace(GRADIENT, ", "), dots)


def _height(value: float, low: float, high: float) -> float:
    """Distance from the top, in pixels: least for the highest value, equal values in the middle."""
    spread = high - low
    part = (value - low) / spread if spread and math.isfinite(spread) else 0.5
    return MARGIN + (1 - part) * (HEIGHT - 2 * MARGIN)
