"""``nanobrag-workbook triage``: a test suite run in chunks, its failures in clusters."""

from pathlib import Path
from typing import Annotated

import typer

from nanobrag_torch.workbook.commands.options import Reports, Stamp

app = typer.Typer(
    help="Run a test suite in chunks, group its failures, and compare it with an earlier run.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

_Project = Annotated[Path, typer.Option(help="The folder of the suite, from which pytest is run.")]
_Jobs = Annotated[int, typer.Option(help="Chunks that run at a time.", min=1, max=64)]


@app.command()
def run(
    pytest_arguments: Annotated[list[str] | None, typer.Argument(help="Words for pytest, after --.")] = None,
    chunks: Annotated[int, typer.Option(help="Into how many chunks the files are divided.", min=1)] = 10,
    project: _Project = Path(),
    jobs: _Jobs = 1,
    time_limit: Annotated[int, typer.Option(help="Seconds that one chunk may take.", min=1)] = 1800,
    guard: Annotated[bool, typer.Option(help="Watch gradient checks for those that prove nothing.")] = True,
    against: Annotated[str | None, typer.Option(help="Stamp of the run to compare with (default: the last).")] = None,
    reports: Reports = None,
    stamp: Stamp = None,
) -> None:
    """Run a suite: nanobrag-workbook triage run --chunks 10 -- tests -k gradient."""
    from nanobrag_torch.workbook.commands.terminal import begin, conclude
    from nanobrag_torch.workbook.triage import run as triage

    _, tell = begin(reports)
    request = triage.TriageRequest(tuple(pytest_arguments or ()), project, chunks, time_limit, guard, against)
    conclude(*triage.run(request, triage.Execution(reports, stamp, jobs), tell), tell)


@app.command()
def resume(
    interrupted: Annotated[str | None, typer.Argument(help="Stamp of the interrupted run (default: the last).")] = None,
    project: _Project = Path(),
    jobs: _Jobs = 1,
    reports: Reports = None,
    stamp: Stamp = None,
) -> None:
    """Finish an interrupted run: the chunks that are done are taken over, the others run."""
    from nanobrag_torch.workbook.commands.terminal import begin, conclude
    from nanobrag_torch.workbook.triage import run as triage

    _, tell = begin(reports)
    conclude(*triage.resume(interrupted, project, triage.Execution(reports, stamp, jobs), tell), tell)
