"""``nanobrag-workbook ledger`` and ``index``: every run and what is next, in the terminal, as data, as a page."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from nanobrag_torch.workbook.commands.terminal import complain, from_here
from nanobrag_torch.workbook.ledger import index as pages
from nanobrag_torch.workbook.ledger.ledger import Books, Ledger
from nanobrag_torch.workbook.machine import repository
from nanobrag_torch.workbook.show.tables import number

#: Key numbers that a row of the terminal shows.
_SHOWN = 2


class Form(StrEnum):
    """How the ledger is given out."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


Reports = Annotated[Path | None, typer.Option(help="Where reports are (default: reports/ of the checkout).")]


def ledger(
    form: Annotated[Form, typer.Option("--format", help="table, json or csv.")] = Form.TABLE, reports: Reports = None
) -> None:
    """Show every run, its verdict and key numbers, what is next, and what contradicts what.

    Exit code 1 where there is a contradiction.
    """
    root = repository.root()
    found = Books((reports or root / "reports").resolve(), root).ledger()
    given = {Form.TABLE: _print, Form.JSON: _json, Form.CSV: _csv}
    given[form](found)
    for contradiction in found.contradictions:
        complain(f"contradiction ({contradiction.kind}) {', '.join(contradiction.places)}: {contradiction.what}")
    raise typer.Exit(1 if found.contradictions else 0)


def index(reports: Reports = None) -> None:
    """Write index.html into the reports and into every initiative, and print the path of the first."""
    root = repository.root()
    typer.echo(from_here(pages.write((reports or root / "reports").resolve(), root)))


def _json(found: Ledger) -> None:
    typer.echo(found.model_dump_json(indent=2))


def _csv(found: Ledger) -> None:
    typer.echo(found.csv(), nl=False)


def _print(found: Ledger) -> None:
    table = Table()
    for column in ("initiative", "phase", "stamp", "status", "what was found", "key numbers"):
        table.add_column(column, overflow="fold")
    for row in found.rows:
        numbers = [f"{name} {number(value, 6)}" for name, value in list(row.numbers.items())[:_SHOWN]]
        cells = (row.initiative, row.phase, row.stamp, row.status, row.title, "\n".join(numbers))
        table.add_row(*map(escape, cells))
    Console().print(table)
    for each in found.next_actions:
        typer.echo(f"{each.initiative}: {each.action}")
