"""Words of the commands on a terminal: messages on standard error, results on standard output."""

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import typer
from rich.console import Console
from rich.markup import escape

from nanobrag_torch.workbook.commands.options import Places, places
from nanobrag_torch.workbook.formatting import visible

if TYPE_CHECKING:
    from nanobrag_torch.workbook.records.run import Verdict
    from nanobrag_torch.workbook.running.run import Tell

# A kernel sets FORCE_COLOR for what its cells start, by which rich would take the output of a cell for a terminal and
# fill it with every frame of a bar.
_WATCHED = sys.stderr.isatty() if "FORCE_COLOR" in os.environ else None
messages = Console(stderr=True, highlight=False, soft_wrap=True, force_terminal=_WATCHED)


def teller() -> "Tell":
    """A function that prints (what, text) with the seconds since now."""
    started = time.monotonic()

    def tell(what: str, text: str) -> None:
        messages.print(f"[dim]{time.monotonic() - started:7.1f} s[/]  {cell(what):<10}  {cell(text)}")

    return tell


def complain(text: str) -> None:
    """Print a problem, as it is."""
    messages.print(cell(text))


def say(text: str) -> None:
    """Print a line of the result, as it is."""
    typer.echo(_harmless(text))


def cell(text: str) -> str:
    """Text for rich, in which neither its own marks nor control characters of a terminal act."""
    return escape(_harmless(text))


def _harmless(text: str) -> str:
    # A line that goes on is set in, so that nothing within a text can pass for a message of ours.
    return visible(text).replace("\n", "\n    ")


def from_here(path: Path) -> str:
    """The path as it is reached from the working folder, or in full from elsewhere."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


def conclude(folder: Path, verdict: "Verdict", tell: "Tell") -> NoReturn:
    """Say how a run ended, print the path of its page, and exit with the code of its status."""
    from nanobrag_torch.workbook.records.run import EXIT_CODES
    from nanobrag_torch.workbook.report.folder import PAGE

    tell(verdict.status, f"{verdict.title}. {verdict.sentence}")
    say(from_here(folder / PAGE))
    raise typer.Exit(EXIT_CODES[verdict.status])


def begin(reports: Path | None) -> "tuple[Places, Tell]":
    """Places and teller of a command that runs something, after runs that were killed have been finished."""
    from nanobrag_torch.workbook.running.publish import finish_orphans

    where, tell = places(reports), teller()
    if where.root != Path.cwd().resolve():
        tell("project", str(where.root))
    for name, outcome in finish_orphans(where.reports, where.root):
        tell("earlier run", f"{name} {outcome}")
    return where, tell
