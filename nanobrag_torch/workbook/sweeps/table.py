"""The table of a sweep: a row for each point, whether it was computed or not, as pandas and spreadsheets read it."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from nanobrag_torch.workbook import files
from nanobrag_torch.workbook.records.sweep import Point, Specification

if TYPE_CHECKING:
    from pandas import DataFrame

PARQUET, CSV = "points.parquet", "points.csv"
#: Columns that differ from run to run.
PASSING = ("seconds", "host", "deaths")
#: Columns in front of the parameters, and behind them before what was found.
_FIRST, _NEXT = ("point",), ("status", "cause", "report")


def frame(specification: Specification, points: Iterable[Point]) -> "DataFrame":
    """The table of a sweep.

    Columns: ``point`` (number), the varied parameters by name, ``status`` ("open" where the point was not computed),
    ``cause``, ``report``, what was found, in the order in which it first appears, and last ``seconds``, ``host`` and
    ``deaths``, which differ from run to run.
    """
    import pandas

    found = {point.number: point for point in points}
    rows = []
    for number, values in enumerate(specification.points()):
        point = found.get(number)
        row = {"point": number, **{name: _cell(value) for name, value in values.items()}}
        row |= {name: getattr(point, name) if point else None for name in _NEXT}
        row["status"] = point.status if point else "open"
        rows.append(row | (point.columns if point else {}))
        rows[-1] |= {name: getattr(point, name) if point else None for name in PASSING}
    measured = dict.fromkeys(name for number in sorted(found) for name in found[number].columns)
    return pandas.DataFrame(rows, columns=[*_FIRST, *specification.names, *_NEXT, *measured, *PASSING])


def write(folder: Path, table: "DataFrame") -> None:
    """Write ``points.parquet`` and ``points.csv``, each whole or not at all."""
    _whole(folder / PARQUET, lambda path: table.to_parquet(path, index=False))
    _whole(folder / CSV, lambda path: table.to_csv(path, index=False))


def _whole(path: Path, put: Callable[[Path], None]) -> None:
    beside = path.with_name(f".{path.name}{files.UNFINISHED}")
    put(beside)
    beside.replace(path)


def _cell(value: object) -> object:
    """Value of a parameter as one cell: a list is a text."""
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else value
