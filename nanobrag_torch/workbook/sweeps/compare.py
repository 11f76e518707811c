"""Two sweeps side by side: their points, joined by the values of the parameters that both vary."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nanobrag_torch.workbook import files
from nanobrag_torch.workbook.errors import InputError
from nanobrag_torch.workbook.records.sweep import Specification
from nanobrag_torch.workbook.report.compare import ColumnLine
from nanobrag_torch.workbook.sweeps import store, table

if TYPE_CHECKING:
    from pandas import DataFrame, Series

#: Numbers closer than this part of the larger one are the same.
_SAME = 1e-9
_FIRST, _SECOND = "_first", "_second"
_NO_RESULT = ("point", "cause", "report", *table.PASSING)


def is_sweep(folder: Path) -> bool:
    """Tell whether a folder is that of a sweep."""
    return (folder / Specification.file).is_file()


def columns(first: Path, second: Path) -> tuple[ColumnLine, ...]:
    """A line for each column of two sweeps: points that both have, those that differ, and where most.

    Raises:
        InputError: they have no parameter in common that varies, or one cannot be read.
    """
    (one, rows), (other, others) = _read(first), _read(second)
    shared = [name for name in one.names if name in other.names]
    if not shared:
        given = f"{', '.join(one.names)} and {', '.join(other.names)}"
        raise InputError.of("compare", "parameters", given, "sweeps that vary the same", "Compare others.")
    both = rows.merge(others, on=shared, how="outer", suffixes=(_FIRST, _SECOND), indicator=True)
    alone = [int((both["_merge"] == side).sum()) for side in ("left_only", "right_only")]
    matched = both[both["_merge"] == "both"]
    lines = list(_lines(matched, shared, rows, others))
    if sum(alone):
        words = f"{alone[0]} in A alone, {alone[1]} in B alone"
        lines.insert(0, ColumnLine("points", len(matched), sum(alone), None, words))
    return tuple(lines)


def _read(folder: Path) -> "tuple[Specification, DataFrame]":
    try:
        specification = files.read_record(folder / Specification.file, Specification)
    except files.Unreadable as error:
        raise InputError.of("compare", str(folder.name), str(error), "the folder of a sweep", "Check it.") from None
    return specification, table.frame(specification, store.finished(folder))


def _lines(both: "DataFrame", shared: list[str], rows: "DataFrame", others: "DataFrame") -> Iterator[ColumnLine]:
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    for name in rows.columns:
        if name in shared or name in _NO_RESULT or name not in others.columns:
            continue
        one, other = both[f"{name}{_FIRST}"], both[f"{name}{_SECOND}"]
        known = one.notna() | other.notna()
        if not known.any():
            continue
        if all(is_numeric_dtype(each) and not is_bool_dtype(each) for each in (one, other)):
            relative = _relative(one, other)
            differing = relative > _SAME
            worst = relative.idxmax() if bool(differing.any()) else None
            largest = None if worst is None else float(relative[worst])
        else:
            differing = known & (one.astype(str) != other.astype(str))
            worst, largest = (differing.idxmax() if bool(differing.any()) else None), None
        where = "" if worst is None else _where(both.loc[worst], shared, name)
        yield ColumnLine(name, int(known.sum()), int(differing.sum()), largest, where)


def _relative(one: "Series[Any]", other: "Series[Any]") -> "Series[float]":
    """Difference as a part of the larger; infinite where one is missing or not finite and the other is not."""
    import numpy
    import pandas

    a, b = one.to_numpy(float), other.to_numpy(float)
    with numpy.errstate(all="ignore"):
        part = numpy.abs(a - b) / numpy.maximum(numpy.abs(a), numpy.abs(b))
    same = (a == b) | (numpy.isnan(a) & numpy.isnan(b))
    return pandas.Series(numpy.where(same, 0.0, numpy.nan_to_num(part, nan=numpy.inf)), index=one.index)


def _where(row: "Series[Any]", shared: list[str], name: str) -> str:
    place = ", ".join(f"{each} = {row[each]}" for each in shared)
    return f"{place}: {row[f'{name}{_FIRST}']} | {row[f'{name}{_SECOND}']}"
