"""Every run below ``reports/``, read from its manifest alone."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from nanobrag_torch.workbook import files
from nanobrag_torch.workbook.errors import InputError
from nanobrag_torch.workbook.machine.processes import lives
from nanobrag_torch.workbook.project import LAB
from nanobrag_torch.workbook.records.base import KeyNumber
from nanobrag_torch.workbook.records.run import Manifest, Owner
from nanobrag_torch.workbook.report.folder import PAGE, RUNNING, Report, check_stamp

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
        return f"{self.initiative}/{self.phase}/{self.folder.name}"

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


def scan(reports: Path) -> list[Run]:
    """The runs below ``reports``, by initiative, phase and stamp; one file of each is read.

    Folders of notebooks that people ran (``reports/lab``) are no runs.
    """
    initiatives = (folder for folder in _folders(reports) if folder.name != LAB)
    phases = (phase for initiative in initiatives for phase in _folders(initiative))
    found = (run for phase in phases for run in in_phase(phase))
    return sorted(found, key=lambda run: (run.initiative, run.phase, run.stamp))


def in_phase(phase: Path) -> list[Run]:
    """The runs in the folder of a phase, by stamp."""
    return sorted((read(folder) for folder in _folders(phase, unfinished=True)), key=lambda run: run.stamp)


def read(folder: Path) -> Run:
    """The run in a folder, as its manifest says, or what was found instead."""
    initiative, phase = folder.parent.parent.name, folder.parent.name
    if folder.name.startswith("."):
        owner = Report(folder).read(Owner)
        status: RunStatus = "running" if owner is not None and lives(owner.process) else "killed"
        return Run(folder, initiative, phase, Report(folder).final.name, status, None)
    try:
        manifest = files.read_record(folder / Manifest.file, Manifest)
    except files.Unreadable as error:
        return Run(folder, initiative, phase, folder.name, "unreadable", None, f"{Manifest.file}: {error}")
    return Run(folder, initiative, phase, folder.name, manifest.status, manifest)


def nested(numbers: dict[str, KeyNumber]) -> dict[str, Any]:
    """Key numbers as records: "control.gradient.cell_a" is an entry of an entry of an entry."""
    tree: dict[str, Any] = {}
    for name, number in numbers.items():
        *path, last = name.split(".")
        branch = tree
        for part in path:
            branch = branch.setdefault(part, {})
        branch[last] = number.value
    return tree


def _folders(folder: Path, unfinished: bool = False) -> Iterator[Path]:
    if not folder.is_dir():
        return
    for path in folder.iterdir():
        hidden = path.name.startswith(".")
        if path.is_dir() and not path.is_symlink() and (not hidden or (unfinished and path.name.endswith(RUNNING))):
            yield path
