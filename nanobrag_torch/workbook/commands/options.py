"""Options and places that several commands share."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from nanobrag_torch.workbook import project
from nanobrag_torch.workbook.errors import InputError

#: Exit code of a command that was given something wrong.
BAD_INPUT = 2

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


def places_to_read(reports: Path | None) -> Places:
    """Places for a command that reads reports. Raises ``InputError`` where the folder that the user gave is none."""
    where = places(reports)
    if reports is not None and not where.reports.is_dir():
        raise InputError.of("reports", "--reports", str(reports), "a folder that is there", "Check the path.")
    return where
