"""Every run below ``reports/``, read from its manifest alone."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from nanobrag_torch.workbook import files
from nanobrag_torch.workbook.errors import InputError
from nanobrag_torch.workbook.machine.processes import Whereabouts, whereabouts
from nanobrag_torch.workbook.project import LAB
from nanobrag_torch.workbook.records.base import KeyNumber
from nanobrag_torch.workbook.records.run import Manifest, Owner
from nanobrag_torch.workbook.report.folder import (
    PAGE,
    RUNNING,
    Report,
    check_stamp,
    in_the_future,
    stamp_of,
    unfinished,
)

#: What a folder can be beside the statuses of a finished run: its process was killed, or it cannot be read.
RunStatus = Literal["running", "passed", "failed", "blocked", "interrupted", "killed", "unreadable"]


@dataclass(frozen=True)
class Run:
    """One folder at ``reports/<initiative>/<phase>/<name>``: a run, or what was found in its place."""

    folder: Path
    initiative: str
    phase: str
    stamp: str
    status: RunStatus
    manifest: Manifest | None
    problem: str = ""

    @property
    def place(self) -> str:
        """The folder as seen from ``reports/``."""
        return f"{self.initiative}/{self.phase}/{files.utf8(self.folder.name).decode()}"

    @property
    def page(self) -> str:
        """The page as seen from ``reports/``."""
        return f"{self.place}/{PAGE}"

    @property
    def stamped(self) -> bool:
        """True where its name is a stamp."""
        try:
            check_stamp(self.stamp)
        except InputError:
            return False
        return True

    @cached_property
    def begun(self) -> str:
        """Time of the start in the form of a stamp, of the name where nothing else tells; empty for one to come.

        A stamp can be chosen, and a clock be wrong: what claims to start tomorrow must not hide what was done today.
        """
        try:
            started = datetime.fromisoformat(self.manifest.started) if self.manifest else None
            begun = self.stamp if started is None else stamp_of(started)
        except (ValueError, OverflowError):
            begun = self.stamp
        return "" if in_the_future(begun) else begun

    @property
    def order(self) -> tuple[str, str]:
        """Sorts the runs of a phase from the first to the latest."""
        return self.begun, self.stamp


def scan(reports: Path) -> list[Run]:
    """The runs below ``reports``, by initiative, phase and start; one file of each is read.

    Folders of notebooks that people ran (``reports/lab``) are no runs.
    """
    initiatives = (folder for folder in _folders(reports) if folder.name != LAB)
    phases = (phase for initiative in initiatives for phase in _folders(initiative))
    found = (run for phase in phases for run in in_phase(phase))
    return sorted(found, key=lambda run: (run.initiative, run.phase, run.order))


def in_phase(phase: Path) -> list[Run]:
    """The runs in the folder of a phase, by their start; a working folder without the record of its run is none."""
    found = (read(folder) for folder in _folders(phase, unfinished=True))
    return sorted((run for run in found if not _is_nobodys(run)), key=lambda run: run.order)


def nobodys(reports: Path) -> list[Path]:
    """Working folders below ``reports`` without the record of a run, which are no runs."""
    return [report.folder for report, owner in unfinished(reports) if owner is None]


def read(folder: Path) -> Run:
    """The run in a folder, as its manifest says, or what was found instead."""
    initiative, phase, stamp = (
        files.utf8(each.name).decode() for each in (folder.parent.parent, folder.parent, folder)
    )
    if folder.name.startswith("."):
        owner = Report(folder).read(Owner)
        status, problem = _of_owner(owner)
        return Run(folder, initiative, phase, Report(folder).final.name, status, None, problem)
    try:
        manifest = files.read_record(folder / Manifest.file, Manifest)
    except files.Unreadable as error:
        return Run(folder, initiative, phase, stamp, "unreadable", None, f"{Manifest.file}: {error}")
    return Run(folder, initiative, phase, stamp, manifest.status, manifest)


def _of_owner(owner: Owner | None) -> tuple[RunStatus, str]:
    """Status of the run that has not ended, and what there is to say about it."""
    if owner is None:
        return "unreadable", f"no record of its run ({Owner.file})"
    words: dict[Whereabouts, tuple[RunStatus, str]] = {
        "here": ("running", ""),
        "elsewhere": ("running", f"running on {owner.process.host}"),
        "gone": ("killed", ""),
    }
    return words[whereabouts(owner.process)]


def _is_nobodys(run: Run) -> bool:
    return run.status == "unreadable" and run.folder.name.startswith(".")


def nested(numbers: dict[str, KeyNumber]) -> dict[str, Any]:
    """Key numbers as records: "control.gradient.cell_a" is an entry of an entry of an entry.

    Where a name is a number and the beginning of others as well, what follows of theirs is one name with its dots:
    "control" beside "control.loss".
    """
    tree: dict[str, Any] = {}
    for name in sorted(numbers):
        branch, rest = tree, name
        while "." in rest:
            part, _, further = rest.partition(".")
            if not isinstance(branch.setdefault(part, {}), dict):
                break
            branch, rest = branch[part], further
        branch[rest] = numbers[name].value
    return tree


def _folders(folder: Path, unfinished: bool = False) -> Iterator[Path]:
    if not folder.is_dir():
        return
    for path in folder.iterdir():
        hidden = path.name.startswith(".")
        if path.is_dir() and not path.is_symlink() and (not hidden or (unfinished and path.name.endswith(RUNNING))):
            yield path
