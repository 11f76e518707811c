"""Options that several commands share, and the start that all of them have in common."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from nanobrag_torch.workbook import project

Tell = Callable[[str, str], None]

Reports = Annotated[Path | None, typer.Option(help="Where reports are (default: reports/ of the project).")]
Stamp = Annotated[str | None, typer.Option(help="UTC as YYYYmmddTHHMMSSZ (default: now).")]
ReportFolder = Annotated[Path, typer.Argument(help="The folder of a report.")]


@dataclass(frozen=True)
class Places:
    """Root of the project, and the folder of its reports."""

    root: Path
    reports: Path


def places(reports: Path | None) -> Places:
    """Places for a command; ``reports`` as the user gave it."""
    root = project.root()
    return Places(root, (reports or root / project.REPORTS).resolve())


def begin(reports: Path | None) -> tuple[Places, Tell]:
    """Places and teller of a command that runs something, after runs that were killed have been finished."""
    from nanobrag_torch.workbook.commands.terminal import teller
    from nanobrag_torch.workbook.running.publish import finish_orphans

    where, tell = places(reports), teller()
    for name, outcome in finish_orphans(where.reports, where.root):
        tell("killed run", f"{name} {outcome}")
    return where, tell
