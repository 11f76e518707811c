"""The command ``nanobrag-workbook doctor``: diagnose the scenario in a file, print the table, and write the report."""

import os
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from nanobrag_torch.workbook.commands.terminal import from_here, teller
from nanobrag_torch.workbook.machine import repository
from nanobrag_torch.workbook.records.run import EXIT_CODES
from nanobrag_torch.workbook.report.page import PAGE
from nanobrag_torch.workbook.running.run import Request
from nanobrag_torch.workbook.running.run import run as run_request

NOTEBOOK = "notebooks/doctor/scenario.ipynb"
#: Colours of a terminal by how much a verdict matters.
COLOURS = {"healthy": "green", "explained": "blue", "warning": "yellow", "fault": "red", "unexamined": "dim"}


def doctor(
    scenario: Annotated[Path, typer.Argument(help="A JSON file with crystal, detector, beam, names and loss.")],
    reports: Annotated[Path | None, typer.Option(help="Where reports go (default: reports/ of the checkout).")] = None,
    seconds: Annotated[float, typer.Option(help="How long the diagnosis may take.", min=1)] = 600,
) -> None:
    """Say of every gradient of a scenario whether it is right, and if not, why."""
    # Imported here, since torch takes longer to load than any other command to run.
    from nanobrag_torch.workbook.cells.diagnosis import FILE
    from nanobrag_torch.workbook.cells.scenarios import read_scenario

    read_scenario(scenario)
    root = repository.root()
    place = Path(os.path.relpath(scenario.resolve(), root)).as_posix()
    parameters = (("scenario_file", place), ("seconds", str(seconds)))
    tell = teller()
    folder, verdict = run_request(Request(notebook=root / NOTEBOOK, parameters=parameters, reports=reports), tell)
    found = folder / FILE
    if found.is_file():
        print_report(found.read_text(encoding="utf-8"))
    tell(verdict.status, f"{verdict.title}. {verdict.sentence}")
    typer.echo(from_here(folder / PAGE))
    raise typer.Exit(EXIT_CODES[verdict.status])


def print_report(text: str) -> None:
    """The table of a report, given as JSON, on the terminal's second stream, where messages go."""
    from nanobrag_torch.doctor import GradientReport
    from nanobrag_torch.workbook.cells.diagnosis import verdicts

    report = GradientReport.from_json(text)
    shown = verdicts(report, digits=6)
    table = Table(title=shown.caption, title_justify="left")
    for column in shown.columns:
        table.add_column(column, no_wrap=column != shown.columns[-1])
    for row, parameter in zip(shown.rows, report.parameters, strict=True):
        table.add_row(*(Text(cell) for cell in row), style=COLOURS[parameter.verdict.severity])
    Console(stderr=True).print(table)
