"""The page of a sweep: one file that a colleague opens without a network, while the sweep runs and after.

Everything on it comes from the folder. What was found in words is in the HTML; the table travels as data, which the
page's own script draws: status of all points, numbers and verdicts over the parameters, and the table itself.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nanobrag_torch.workbook import files
from nanobrag_torch.workbook.formatting import number, visible
from nanobrag_torch.workbook.records.run import FIGURES, EnvironmentRecord, Manifest, Owner, Verdict
from nanobrag_torch.workbook.records.sweep import Point, Specification
from nanobrag_torch.workbook.report.folder import PAGE, Report, now
from nanobrag_torch.workbook.show import pictures
from nanobrag_torch.workbook.show.html import environment, sealed
from nanobrag_torch.workbook.sweeps import store, table

if TYPE_CHECKING:
    from pandas import DataFrame, Series

#: Points of which the page shows a figure, the slowest that it names, and the points that it names under one cause.
FIGURES_SHOWN, SLOWEST_SHOWN, NAMED = 48, 10, 12
GRADIENT = "gradient."
#: Significant digits of a found number on the page; the table beside it has all of them.
_DIGITS = 7
#: Columns that the page says elsewhere, or that are none of a point's results.
_ELSEWHERE = ("point", "report", *table.PASSING)


@dataclass(frozen=True)
class Bar:
    """A gradient of one point beside the largest of that quantity in all points; ``part`` is from -1 to 1."""

    name: str
    value: float
    part: float


@dataclass(frozen=True)
class Figure:
    """A point to be seen: its image as base64 with its media type, and its gradients."""

    number: int
    values: Mapping[str, Any]
    image: str
    kind: str
    bars: tuple[Bar, ...]
    link: str


@dataclass(frozen=True)
class Cause:
    """Cause of failed or blocked points: the words, how many, and the first of them, and where each is kept."""

    status: str
    words: str
    count: int
    points: tuple[tuple[int, str], ...]


@dataclass(frozen=True)
class Slow:
    """A point that took long, its seconds, their part of the longest, and where it is kept."""

    number: int
    values: Mapping[str, Any]
    seconds: float
    part: float
    link: str


@dataclass(frozen=True)
class Varied:
    """A parameter that varies, its different values, the least and the greatest: of texts, the first and the last."""

    name: str
    unit: str
    count: int
    low: Any
    high: Any


@dataclass(frozen=True)
class Content:
    """Everything that the page says; ``verdict`` is None while the sweep runs, ``refresh`` then seconds."""

    specification: Specification
    varied: tuple[Varied, ...]
    asked: Owner | Manifest
    verdict: Verdict | None
    environment: EnvironmentRecord | None
    counts: Mapping[str, int]
    seconds: float
    figures: tuple[Figure, ...]
    causes: tuple[Cause, ...]
    slowest: tuple[Slow, ...]
    data: Mapping[str, Any]
    written: str
    refresh: int | None
    place: str


def render(folder: Path, refresh: int | None = None, place: str = "") -> str:
    """The page of a sweep, from the files in its folder alone.

    Args:
        folder: folder of the sweep, running or finished.
        refresh: seconds after which the page loads itself again; None for a page that stays.
        place: path from the page to the folder, which links begin with; empty for a page in the folder.

    Raises:
        Unreadable: the folder is not that of a sweep.
    """
    return sealed(environment().get_template("sweep.html.j2").render(c=gather(folder, refresh, place)))


def gather(folder: Path, refresh: int | None = None, place: str = "") -> Content:
    """Content of the page of a sweep; arguments and errors as of :func:`render`."""
    report = Report(folder)
    asked = report.read(Owner) or report.read(Manifest)
    if asked is None:
        raise files.Unreadable("no record of the run that wrote it")
    specification = files.read_record(folder / Specification.file, Specification)
    points = list(store.finished(folder))
    rows = table.frame(specification, points)
    place = place and f"{place.rstrip('/')}/"
    links = {point.number: place + _home(folder, point) for point in points}
    counts = rows["status"].value_counts()
    return Content(
        specification=specification,
        varied=tuple(_varied(specification)),
        asked=asked,
        verdict=report.read(Verdict),
        environment=report.read(EnvironmentRecord),
        counts={name: int(counts.get(name, 0)) for name in ("done", "failed", "blocked", "open")},
        seconds=math.fsum(point.seconds for point in points),
        figures=tuple(_figures(folder, specification, points, links)),
        causes=tuple(_causes(points, links)),
        slowest=tuple(_slowest(specification, points, links)),
        data=_data(specification, rows, place),
        written=now(),
        refresh=refresh,
        place=place,
    )


def _varied(specification: Specification) -> Iterator[Varied]:
    for block in specification.blocks:
        for name, unit, column in zip(block.names, block.units, zip(*block.rows, strict=True), strict=True):
            different = list({repr(value): value for value in column}.values())
            if all(isinstance(value, int | float) for value in different):
                different.sort()
            yield Varied(name, unit, len(different), different[0], different[-1])


def _home(folder: Path, point: Point) -> str:
    """Path from the folder of a sweep to what is kept of a point: the page of its report, or its own file."""
    if point.report:
        return f"{point.report}/{PAGE}"
    return store.place(folder, point.number).relative_to(folder).as_posix()


def _causes(points: Iterable[Point], links: Mapping[int, str]) -> Iterator[Cause]:
    found: dict[tuple[str, str], list[int]] = {}
    for point in points:
        if point.status != "done":
            found.setdefault((point.status, point.cause), []).append(point.number)
    for (status, words), numbers in sorted(found.items(), key=lambda each: -len(each[1])):
        named = tuple((each, links[each]) for each in numbers[:NAMED])
        yield Cause(status, words, len(numbers), named)


def _slowest(specification: Specification, points: Iterable[Point], links: Mapping[int, str]) -> Iterator[Slow]:
    slowest = sorted(points, key=lambda point: -point.seconds)[:SLOWEST_SHOWN]
    for point in slowest:
        part = point.seconds / slowest[0].seconds if slowest[0].seconds else 0.0
        values = specification.values(point.number)
        yield Slow(point.number, values, point.seconds, part, links[point.number])


def _figures(
    folder: Path, specification: Specification, points: list[Point], links: Mapping[int, str]
) -> Iterator[Figure]:
    """Evenly spread points with their images: a thumbnail of their own, or the first figure of their report."""
    largest: dict[str, float] = {}
    for point in points:
        for name, value in _gradients(point):
            largest[name] = max(largest.get(name, 0.0), abs(value))
    seen = [point for point in points if point.thumbnail or point.report]
    chosen = seen[:: max(1, math.ceil(len(seen) / FIGURES_SHOWN))]
    for point in chosen:
        image, kind = (point.thumbnail, "png") if point.thumbnail else (_of_report(folder, point), "jpeg")
        if image:
            bars = tuple(Bar(name, value, value / (largest[name] or 1.0)) for name, value in _gradients(point))
            values = specification.values(point.number)
            yield Figure(point.number, values, image, kind, bars, links[point.number])


def _gradients(point: Point) -> Iterator[tuple[str, float]]:
    for name, value in point.columns.items():
        if name.startswith(GRADIENT) and isinstance(value, int | float) and math.isfinite(value):
            yield name.removeprefix(GRADIENT), float(value)


def _of_report(folder: Path, point: Point) -> str | None:
    """The first figure in the report of a point, small: base64 of a JPEG; None where there is none."""
    for path in files.within(folder / str(point.report) / FIGURES, ".png"):
        try:
            return pictures.small(path)
        except (OSError, ValueError):
            continue
    return None


def _data(specification: Specification, rows: "DataFrame", place: str) -> dict[str, Any]:
    """The table as the script of the page reads it: a column after the other, texts by their number in a list."""
    shown = [name for name in rows.columns if name not in _ELSEWHERE and rows[name].notna().any()]
    varied = [name for name in specification.names if rows[name].nunique() > 1]
    return {
        "count": len(rows),
        "place": place,
        "parameters": varied or list(specification.names),
        "units": {name: unit for name, unit in specification.units.items() if unit},
        "across": len(specification.blocks[-1].rows) if len(specification.blocks) == 2 else None,
        "columns": [_column(name, rows[name], exact=name in specification.names) for name in (*shown, "seconds")],
        "report": [visible(each) if isinstance(each, str) else None for each in rows["report"]]
        if specification.grain == "report"
        else None,
    }


def _column(name: str, values: "Series[Any]", exact: bool) -> dict[str, Any]:
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    if is_numeric_dtype(values) and not is_bool_dtype(values):
        # A number that is not finite and one that is missing are the same to pandas, and to a drawing.
        return {"name": name, "values": [_short(value, exact) for value in values.tolist()]}
    words: dict[str, int] = {}
    codes = [_code(words, value) for value in values.tolist()]
    return {"name": name, "words": list(words), "codes": codes}


def _short(value: float | None, exact: bool) -> float | int | None:
    if value is None or not math.isfinite(value):
        return None
    return value if exact or isinstance(value, int) else float(f"{value:.{_DIGITS}g}")


def _code(words: dict[str, int], value: Any) -> int:
    """Number of a text among those that were seen; -1 where there is none."""
    if value is None or value == "" or (isinstance(value, float) and math.isnan(value)):
        return -1
    text = number(value, _DIGITS) if isinstance(value, float) else visible(str(value))
    return words.setdefault(text, len(words))
