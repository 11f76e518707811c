"""Values as they are written: ranges, logarithmic ranges, lists and tables.

=====================  ====================================================================
``60:120:5``           from 60 in steps of 5, up to 120 where that falls on the grid
``1e24:1e28:log9``     nine values from 1e24 to 1e28, equally far apart by their logarithms
``a,b,c``              these; elements of a value of several stand apart by blanks
``@table.csv``         rows of a table, whose columns are names; ``NAME=@table.csv``: one column
``60:120``             between these, where values are drawn; ``60:120:log`` by the logarithm
=====================  ====================================================================
"""

import math
import sys
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from nanobrag_torch.workbook import files
from nanobrag_torch.workbook.errors import InputError

#: A word of the command line, a number of a range, or a cell of a table.
Value = str | float | int | bool
#: More values than this are no sweep, whatever the user says.
MOST = 10_000_000
#: Sizes of the numbers that a range may have: those that the logarithm and the quotient of two can be taken of.
_LEAST, _MOST = Decimal("1e-300"), sys.float_info.max
_FORM = "start:stop:step, start:stop:logN, a list with commas, or @table.csv"


@dataclass(frozen=True)
class Range:
    """Bounds between which values are drawn; ``logarithmic`` where their logarithms are equally likely."""

    low: float
    high: float
    logarithmic: bool = False


@dataclass(frozen=True)
class Table:
    """Rows of a table that was read; ``columns`` are its names."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Value, ...], ...]


def split(text: str) -> tuple[str, str]:
    """Name and specification of ``NAME=SPEC``; the name is empty for ``@table.csv``. Raises ``InputError``."""
    name, equals, spec = text.partition("=")
    if text.startswith("@"):
        return "", text
    if not equals or not name.strip() or not spec.strip():
        raise InputError.of("sweep", "--over", text, f"NAME=SPEC, where SPEC is {_FORM}", "Write both.")
    return name.strip(), spec.strip()


def listed(name: str, spec: str) -> list[Value]:
    """Values of a specification that is no table. Raises ``InputError``."""
    parts = spec.split(":")
    if len(parts) == 1:
        words = [word.strip() for word in spec.split(",")]
        if "" in words:
            raise _refused(name, spec, "a list with commas", "There is an empty entry.")
        return list(words)
    if len(parts) != 3:
        raise _refused(name, spec, _FORM, "A range without a step is for --sample." if len(parts) == 2 else "")
    start, stop = _decimal(name, spec, parts[0]), _decimal(name, spec, parts[1])
    if parts[2].startswith("log"):
        return list(_logarithmic(name, spec, float(start), float(stop), parts[2].removeprefix("log")))
    return list(_stepped(name, spec, start, stop, _decimal(name, spec, parts[2])))


def drawn(name: str, spec: str) -> Range:
    """Bounds of a specification between which values are drawn. Raises ``InputError``."""
    low, *rest = spec.split(":")
    if len(rest) not in (1, 2) or (len(rest) == 2 and rest[1] != "log"):
        raise _refused(name, spec, "low:high or low:high:log, since --sample draws between them", "Give bounds.")
    found = Range(float(_decimal(name, spec, low)), float(_decimal(name, spec, rest[0])), len(rest) == 2)
    if not found.low < found.high or (found.logarithmic and found.low <= 0):
        above = "above 0, " if found.logarithmic else ""
        raise _refused(name, spec, f"a lower bound {above}less than the upper one", "Correct them.")
    return found


def table(spec: str) -> Table:
    """Rows of the table that ``@FILE`` names.

    Raises:
        InputError: it is none, or has gaps, a row twice, or more values in a row than names.
    """
    import io
    import warnings

    import pandas

    path = Path(spec.removeprefix("@"))
    try:
        content = files.read(path)
        with warnings.catch_warnings():
            # Without an index column pandas only warns of values beyond the names; with one it moves all to the left.
            warnings.simplefilter("error", pandas.errors.ParserWarning)
            frame = pandas.read_csv(io.BytesIO(content), skipinitialspace=True, index_col=False)
    except pandas.errors.ParserWarning:
        given = "rows with more values than there are names"
        raise InputError.of("sweep", "table", str(path), "a name for every column", f"It has {given}.") from None
    except (files.Unreadable, ValueError) as error:
        said = " ".join(str(error).split()).rstrip(".")
        raise InputError.of("sweep", "table", str(path), "a file of comma-separated values", f"{said}.") from None
    frame.columns = [str(name).strip() for name in frame.columns]
    gaps = frame.isna()
    if frame.empty or gaps.to_numpy().any():
        where = "it has no row" if frame.empty else f"line {int(gaps.any(axis=1).to_numpy().argmax()) + 2} has a gap"
        raise InputError.of("sweep", "table", str(path), "a value in every cell", f"In the table, {where}.")
    again = frame.duplicated()
    if again.any():
        line = int(again.to_numpy().argmax()) + 2
        raise InputError.of("sweep", "table", str(path), "every row once", f"Line {line} stands there before.")
    rows = tuple(tuple(_plain(value) for value in row) for row in frame.itertuples(index=False, name=None))
    return Table(tuple(frame.columns), rows)


def _plain(value: Any) -> Value:
    """Python's own value for a cell of pandas."""
    plain = value.item() if hasattr(value, "item") else value
    return plain if isinstance(plain, bool | int | float) else str(plain)


def _decimal(name: str, spec: str, word: str) -> Decimal:
    try:
        number = Decimal(word.strip())
    except InvalidOperation:
        raise _refused(name, spec, _FORM, f"{word!r} is no number.") from None
    if not number.is_finite() or not math.isfinite(float(number)) or (number and abs(number) < _LEAST):
        raise _refused(name, spec, f"finite numbers: 0, or of a size from {_LEAST:g} to {_MOST:g}", "Correct it.")
    return number


def _stepped(name: str, spec: str, start: Decimal, stop: Decimal, step: Decimal) -> list[Value]:
    if step == 0:
        raise _refused(name, spec, "a step other than 0", "This range never ends.")
    steps = (stop - start) / step
    if steps < 0:
        raise _refused(name, spec, "a step towards the stop", "This range is empty.")
    if steps >= MOST:
        raise _refused(name, spec, f"at most {MOST} values", "Take larger steps.")
    return [_number(start + i * step) for i in range(int(steps) + 1)]


def _number(value: Decimal) -> float | int:
    """A float, or where it would round a whole number, that number."""
    return int(value) if abs(value) > 2**53 and value == value.to_integral_value() else float(value)


def _logarithmic(name: str, spec: str, start: float, stop: float, count: str) -> list[float]:
    if not (count.isascii() and count.isdecimal()) or not 2 <= int(count) <= MOST:
        raise _refused(name, spec, f"log and a number of values from 2 to {MOST}, such as log9", "Correct it.")
    if start <= 0 or stop <= 0:
        raise _refused(name, spec, "start and stop above 0, since their logarithms are taken", "Use a step, or a list.")
    low, high, last = math.log(start), math.log(stop), int(count) - 1
    inner = [math.exp(low + (high - low) * i / last) for i in range(1, last)]
    # Rounding leaves some places for the eye: 1e25, not 1.0000000000000007e+25.
    return [start, *(float(f"{value:.14g}") for value in inner), stop]


def _refused(name: str, spec: str, allowed: str, remedy: str) -> InputError:
    return InputError.of("sweep", f"--over {name}", spec, allowed, remedy)
