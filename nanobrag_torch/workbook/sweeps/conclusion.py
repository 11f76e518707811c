"""Outcome of a sweep: counts and extremes of its table, and the verdict on it."""

import math
from typing import TYPE_CHECKING, Literal

from nanobrag_torch.workbook.records.run import Verdict
from nanobrag_torch.workbook.records.sweep import SweepResults
from nanobrag_torch.workbook.sweeps.table import PASSING

if TYPE_CHECKING:
    from pandas import DataFrame

#: Columns that are no result: the number of a point.
_NO_RESULT = ("point", *PASSING)
_VERDICT = "verdict.code"


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


def verdict(found: SweepResults, mixed: bool) -> Verdict:
    """Verdict on a sweep that came to its end; ``mixed`` where points of several states of the source are in it."""
    sentence = f"{found.headline()[0][1]}."
    if mixed:
        sentence += " They come from several states of the source; mixed.txt says which."
    for name, status, code, title, remedy in _ENDS:
        if getattr(found, name):
            return Verdict(code=code, status=status, title=title, sentence=sentence, remedy=remedy)
    return Verdict(code="complete", status="passed", title="All points are done", sentence=sentence)
