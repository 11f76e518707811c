"""The commands ``nanobrag-workbook triage run`` and ``triage resume``."""

from pathlib import Path
from typing import Annotated

import typer

from nanobrag_torch.workbook.commands.terminal import from_here, teller
from nanobrag_torch.workbook.machine import repository
from nanobrag_torch.workbook.records.run import EXIT_CODES, Verdict
from nanobrag_torch.workbook.report.page import PAGE
from nanobrag_torch.workbook.running.publish import finish_orphans
from nanobrag_torch.workbook.running.run import Tell
from nanobrag_torch.workbook.triage import run as triage

app = typer.Typer(help="Run a test suite in chunks, group its failures, and compare it with an earlier run.")

_Project = Annotated[Path, typer.Option(help="The folder of the suite, from which pytest is run.")]
_Jobs = Annotated[int, typer.Option(help="Chunks that run at a time.", min=1, max=64)]
_Reports = Annotated[Path | None, typer.Option(help="Where reports go (default: reports/ of the checkout).")]
_Stamp = Annotated[str | None, typer.Option(help="UTC as YYYYmmddTHHMMSSZ (default: now).")]


@app.command()
def run(
    pytest_arguments: Annotated[list[str] | None, typer.Argument(help="Words for pytest, after --.")] = None,
    chunks: Annotated[int, typer.Option(help="Into how many chunks the files are divided.", min=1)] = 10,
    project: _Project = Path(),
    jobs: _Jobs = 1,
    time_limit: Annotated[int, typer.Option(help="Seconds that one chunk may take.", min=1)] = 1800,
    guard: Annotated[bool, typer.Option(help="Watch gradient checks for those that prove nothing.")] = True,
    against: Annotated[str | None, typer.Option(help="Stamp of the run to compare with (default: the last).")] = None,
    reports: _Reports = None,
    stamp: _Stamp = None,
) -> None:
    """Run a suite: nanobrag-workbook triage run --chunks 10 -- tests -k gradient."""
    tell = _teller(reports)
    request = triage.Request(tuple(pytest_arguments or ()), project, chunks, time_limit, guard, against)
    _end(*triage.run(request, triage.Place(reports, stamp, jobs), tell), tell)


@app.command()
def resume(
    interrupted: Annotated[str | None, typer.Argument(help="Stamp of the interrupted run (default: the last).")] = None,
    project: _Project = Path(),
    jobs: _Jobs = 1,
    reports: _Reports = None,
    stamp: _Stamp = None,
) -> None:
    """Finish an interrupted run: the chunks that are done are taken over, the others run."""
    tell = _teller(reports)
    _end(*triage.resume(interrupted, project, triage.Place(reports, stamp, jobs), tell), tell)


def _teller(reports: Path | None) -> Tell:
    """Messages for this command, after runs that were killed have been finished."""
    tell = teller()
    root = repository.root()
    for name, outcome in finish_orphans((reports or root / "reports").resolve(), root):
        tell("killed run", f"{name} {outcome}")
    return tell


def _end(folder: Path, verdict: Verdict, tell: Tell) -> None:
    tell(verdict.status, f"{verdict.title}. {verdict.sentence}")
    typer.echo(from_here(folder / PAGE))
    raise typer.Exit(EXIT_CODES[verdict.status])
