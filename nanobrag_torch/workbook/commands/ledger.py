"""``nanobrag-workbook ledger`` and ``index``: every run and what is next, in the terminal, as data, as a page."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nanobrag_torch.workbook import project
from nanobrag_torch.workbook.commands.options import Places, Reports, places_to_read
from nanobrag_torch.workbook.errors import InputError

if TYPE_CHECKING:
    from nanobrag_torch.workbook.ledger.ledger import Ledger

#: Key numbers that a row of the terminal shows.
_SHOWN = 2


class Form(StrEnum):
    """Form in which the ledger is given out."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


def ledger(
    form: Annotated[Form, typer.Option("--format", help="table, json or csv.")] = Form.TABLE, reports: Reports = None
) -> None:
    """Show every run, its verdict and key numbers, what is next, and what contradicts what.

    Exit code 1 where there is a contradiction.
    """
    from nanobrag_torch.workbook.commands.terminal import complain
    from nanobrag_torch.workbook.ledger.ledger import Books

    where = _there(reports)
    found = Books(where.reports, where.root).ledger()
    given = {Form.TABLE: _print, Form.JSON: _json, Form.CSV: _csv}
    given[form](found)
    for contradiction in found.contradictions:
        where_it_is = f" {', '.join(contradiction.places)}" if contradiction.places else ""
        complain(f"contradiction ({contradiction.kind}){where_it_is}: {contradiction.what}")
    raise typer.Exit(1 if found.contradictions else 0)


def index(reports: Reports = None) -> None:
    """Write index.html into the reports and into every initiative, and print the path of the first."""
    from nanobrag_torch.workbook.commands.terminal import from_here
    from nanobrag_torch.workbook.ledger import index as pages

    where = _there(reports)
    typer.echo(from_here(pages.write(where.reports, where.root)))


def _there(reports: Path | None) -> Places:
    """Places of a command that reads reports and plans. Raises ``InputError`` where there are neither."""
    where = places_to_read(reports)
    if not where.reports.is_dir() and not (where.root / project.PLANS).is_dir():
        given = str(reports or Path.cwd())
        raise InputError.of("ledger", "folder", given, "a project with reports or plans", f"{project.OFFER}.")
    return where


def _json(found: "Ledger") -> None:
    typer.echo(found.model_dump_json(indent=2))


def _csv(found: "Ledger") -> None:
    typer.echo(found.csv(), nl=False)


def _print(found: "Ledger") -> None:
    from rich.console import Console
    from rich.table import Table

    from nanobrag_torch.workbook.commands.terminal import cell, say
    from nanobrag_torch.workbook.formatting import number

    table = Table()
    for column in ("initiative", "phase", "stamp", "status", "what was found", "key numbers"):
        # A stamp is what people copy, so it is not broken.
        table.add_column(column, overflow="fold", no_wrap=column == "stamp")
    for row in found.rows:
        numbers = [f"{name} {number(value, 6)}" for name, value in list(row.numbers.items())[:_SHOWN]]
        cells = (row.initiative, row.phase, row.stamp, row.status, row.title, "\n".join(numbers))
        table.add_row(*map(cell, cells))
    Console().print(table)
    for each in found.next_actions:
        say(f"{each.initiative}: {each.action}")
