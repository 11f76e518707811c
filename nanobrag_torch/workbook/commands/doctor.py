"""``nanobrag-workbook doctor``: diagnose the scenario in a file, print the table, and write the report."""

from pathlib import Path
from typing import Annotated

import typer

from nanobrag_torch.workbook import project
from nanobrag_torch.workbook.commands.options import Reports
from nanobrag_torch.workbook.commands.run import from_root
from nanobrag_torch.workbook.errors import InputError

NOTEBOOK = "doctor/scenario"
#: Columns of a terminal that take the whole table.
WIDE = 110
#: Colours of a terminal by how much a verdict matters.
COLOURS = {"healthy": "green", "explained": "blue", "warning": "yellow", "fault": "red", "unexamined": "dim"}


def doctor(
    scenario: Annotated[Path, typer.Argument(help="A JSON file with crystal, detector, beam, names and loss.")],
    reports: Reports = None,
    seconds: Annotated[float, typer.Option(help="How long the diagnosis may take.", min=1)] = 600,
    mapped_test: Annotated[str, typer.Option(metavar="ID", help="A pytest id that runs beside the diagnosis.")] = "",
) -> None:
    """Say of every gradient of a scenario whether it is right, and if not, why."""
    from nanobrag_torch.workbook.cells.diagnosis import FILE
    from nanobrag_torch.workbook.cells.scenarios import read_scenario
    from nanobrag_torch.workbook.commands.terminal import begin, conclude
    from nanobrag_torch.workbook.running.run import RunRequest, run

    place = from_root(scenario.as_posix())
    if not project.find(place).is_file():
        remedy = "One to start from: nanobrag-workbook notebooks copy doctor/scenario"
        raise InputError.of("doctor", "file", str(scenario), "a JSON file of a scenario", remedy)
    read_scenario(place)
    _, tell = begin(reports)
    parameters = (("scenario_file", place), ("seconds", str(seconds)), ("mapped_test", mapped_test))
    folder, verdict = run(RunRequest(notebook=NOTEBOOK, parameters=parameters, reports=reports), tell)
    found = folder / FILE
    if found.is_file():
        print_report(found.read_text(encoding="utf-8"))
    conclude(folder, verdict, tell)


def print_report(text: str) -> None:
    """Print the table of a report, given as JSON, on the terminal's second stream, where messages go."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from nanobrag_torch.doctor import GradientReport
    from nanobrag_torch.workbook.cells.diagnosis import verdicts

    report = GradientReport.from_json(text)
    shown = verdicts(report, digits=6)
    table = Table(title=shown.caption, title_justify="left")
    console = Console(stderr=True)
    # On a narrow terminal the verdict in words is worth more than the value and the cancellation.
    kept = [i for i, column in enumerate(shown.columns) if console.width >= WIDE or column not in ("value", "κ")]
    for i in kept:
        table.add_column(shown.columns[i], no_wrap=i != len(shown.columns) - 1)
    for row, parameter in zip(shown.rows, report.parameters, strict=True):
        table.add_row(*(Text(row[i]) for i in kept), style=COLOURS[parameter.verdict.severity])
    console.print(table)
