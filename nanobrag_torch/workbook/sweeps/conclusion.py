"""Outcome of a sweep: counts and extremes of its table, and the verdict on it."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from nanobrag_torch.workbook.formatting import number
from nanobrag_torch.workbook.records.run import Verdict
from nanobrag_torch.workbook.records.sweep import SweepResults
from nanobrag_torch.workbook.sweeps.table import PASSING

if TYPE_CHECKING:
    from pandas import DataFrame

#: Columns that are no result: the number of a point.
_NO_RESULT = ("point", *PASSING)
_VERDICT, _AGREEMENT = "verdict.code", "agreement."
#: Points that an answer names.
_NAMED = 5


def results(table: "DataFrame") -> SweepResults:
    """Counts and extremes of the table of a sweep; what is not finite has no part in an extreme."""
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    counts = table["status"].value_counts()
    numbers = {
        name: [float(value) for value in table[name].dropna() if math.isfinite(value)]
        for name in table.columns
        if name not in _NO_RESULT and is_numeric_dtype(table[name]) and not is_bool_dtype(table[name])
    }
    codes = table[_VERDICT].dropna().value_counts() if _VERDICT in table else {}
    return SweepResults(
        points=len(table),
        **{name: int(counts.get(name, 0)) for name in ("done", "failed", "blocked", "open")},
        seconds=math.fsum(table["seconds"].dropna()),
        verdicts={str(code): int(number) for code, number in sorted(codes.items())},
        least={name: min(values) for name, values in numbers.items() if values},
        greatest={name: max(values) for name, values in numbers.items() if values},
    )


#: Ends of points that decide the verdict of the sweep, the first that there is: count, status, code, title, remedy.
_ENDS: tuple[tuple[str, Literal["failed", "blocked"], str, str, str], ...] = (
    (
        "blocked", "blocked", "points_blocked", "Some points could not be computed",
        "Their causes are in the table. Remove them, and go on with --retry blocked.",
    ),
    (
        "failed", "failed", "points_failed", "Some points failed",
        "Their causes are in the table. After they are mended, go on with --retry failed.",
    ),
)  # fmt: skip


def answer(table: "DataFrame", varied: Sequence[str]) -> str:
    """Sentence on how many gradients of a sweep agree with finite differences; empty where none were compared.

    Args:
        table: table of the sweep.
        varied: columns of the parameters that it varies.
    """
    done = table[table["status"] == "done"]
    compared = done[[name for name in table.columns if name.startswith(_AGREEMENT)]]
    if not compared.size:
        return ""
    where = ", ".join(_range(name, done[name].tolist()) for name in varied)
    counts = compared.stack().value_counts()
    right, other = int(counts.get("agrees", 0)), counts.drop("agrees", errors="ignore")
    rest = "".join(f"; {count} {word}" for word, count in other.items())
    if right < compared.size:
        points = done["point"][(compared != "agrees").any(axis=1)].tolist()
        rest += f" (points {', '.join(map(str, points[:_NAMED]))}{', …' if len(points) > _NAMED else ''})"
    counted = f"{right} of {compared.size}" if rest else f"All {right}"
    return f"{counted} gradients in {len(done)} points, {where}, agree with their finite differences{rest}."


def _range(name: str, values: list[Any]) -> str:
    if all(isinstance(value, int | float) for value in values):
        return f"{name} from {number(min(values))} to {number(max(values))}"
    return f"{name} of {len(set(map(str, values)))} kinds"


def verdict(found: SweepResults, mixed: bool, answer: str = "") -> Verdict:
    """Verdict on a sweep that came to its end.

    Args:
        found: counts and extremes of its table.
        mixed: True where points of several states of the source are in it.
        answer: answer to its question, where it has one.
    """
    sentence = f"{found.headline()[0][1]}."
    if mixed:
        sentence += " They come from several states of the source; mixed.txt says which."
    for name, status, code, title, remedy in _ENDS:
        if getattr(found, name):
            return Verdict(code=code, status=status, title=title, sentence=sentence, remedy=remedy, answer=answer)
    return Verdict(code="complete", status="passed", title="All points are done", sentence=sentence, answer=answer)
