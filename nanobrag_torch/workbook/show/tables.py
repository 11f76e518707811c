"""Tables and statements that a notebook cell ends in: text in JupyterLab, data in the page of a report."""

import html
import sys
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict

from nanobrag_torch.workbook.formatting import number
from nanobrag_torch.workbook.records.base import Record
from nanobrag_torch.workbook.records.evidence import Evidence, TestRecord
from nanobrag_torch.workbook.records.run import Verdict
from nanobrag_torch.workbook.show import progress

#: MIME type of a table in a notebook; the page of a report reads it and takes no HTML out of a notebook.
TABLE_TYPE = "application/vnd.nanobrag.table+json"
#: MIME type of the conclusion at the top of a notebook; the page of a report, which begins with it, leaves it out.
OPENING_TYPE = "application/vnd.nanobrag.opening+json"
_OPENING = "nanobrag-opening"


class Table(BaseModel):
    """Small table of texts."""

    model_config = ConfigDict(frozen=True)

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        # Imported here, since commands that only read reports need no table of pandas.
        import pandas

        frame = pandas.DataFrame(list(self.rows), columns=list(self.columns))
        return {
            "text/plain": f"{self.caption}\n{frame.to_string(index=False)}",
            "text/html": frame.to_html(index=False, escape=True),
            TABLE_TYPE: self.model_dump(mode="json"),
        }


def derivatives(evidence: Evidence) -> Table:
    """Table of gradient and finite difference of every cell parameter, and their agreement."""
    rows = [
        (
            row.symbol,
            f"{number(row.value)} {row.unit}",
            f"{number(row.gradient)} /{row.unit}",
            f"{number(row.finite_difference)} ± {number(row.error_bar, 1)} /{row.unit}",
            number(row.distance, 1),
            number(row.cancellation, 2),
            row.agreement,
        )
        for row in evidence.derivatives
    ]
    return Table(
        caption=f"{evidence.case.capitalize()}: cell gradients of the loss",
        columns=("", "value", "autograd", "finite difference", "|difference| / A", "κ", "verdict"),
        rows=tuple(rows),
    )


def image(*cases: Evidence) -> Table:
    """Table of loss and image statistics, a case a line."""
    rows = [
        (
            evidence.case,
            f"{evidence.default_F:g}",
            number(evidence.loss, 13),
            number(evidence.image_max, 6),
            f"{evidence.lit_pixels} of {evidence.pixels}",
        )
        for evidence in cases
    ]
    columns = ("case", "default_F", "loss", "brightest pixel", "lit pixels")
    return Table(caption="The image", columns=columns, rows=tuple(rows))


def facts(record: Record, names: Sequence[str], caption: str) -> Table:
    """Table of some fields of a record, one a line."""
    values = [(name, getattr(record, name)) for name in names]
    rows = tuple((name.replace("_", " "), _text(value)) for name, value in values)
    return Table(caption=caption, columns=("", ""), rows=rows)


def test(record: TestRecord) -> Table:
    """Table of the end of the mapped test."""
    names = ("meaning",) if record.status == "none" else ("command", "meaning", "message", "elapsed_s")
    return facts(record, names, "The mapped test")


def opening() -> None:
    """Hold the place near the top of a notebook in which :func:`verdict` shows the conclusion once it is there."""
    progress.forget()
    _show_opening("The conclusion will stand here when the notebook has come to its end.", "", update=False)


def verdict(record: Verdict) -> Table:
    """Table of the conclusion: title, sentence and remedy. The place of :func:`opening` shows it from then on."""
    _show_opening(record.opening, f"{record.sentence} {record.remedy}".strip(), update=True)
    return facts(record, ("title", "sentence", "remedy"), "Conclusion")


def _show_opening(first: str, rest: str, *, update: bool) -> None:
    # A process that has not loaded IPython has no notebook to show it in.
    if "IPython" not in sys.modules:
        return
    from IPython import get_ipython
    from IPython.display import display

    if get_ipython() is None:
        return
    data = {
        "text/plain": f"{first}\n{rest}".strip(),
        "text/html": f"<p><b>{html.escape(first)}</b><br>{html.escape(rest)}</p>",
        OPENING_TYPE: {"final": update},
    }
    display(data, raw=True, display_id=_OPENING, update=update)  # type: ignore[no-untyped-call]


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {entry}" for key, entry in value.items())
    return ", ".join(map(_text, value)) if isinstance(value, list | tuple) else str(value)
