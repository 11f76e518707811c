"""The folder of a report: written beside, checked, then renamed into place.

While a run lasts, its folder is ``reports/<initiative>/<phase>/.<stamp>.running`` and its ``status`` says ``running``.
:meth:`Report.finish` checks it and renames it to ``<stamp>``. A run that was killed leaves its working folder behind;
:func:`unfinished` finds it.
"""

import errno
import itertools
import os
import re
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol, TypeVar

from nanobrag_torch.workbook import files, project
from nanobrag_torch.workbook.errors import Blocked, InputError
from nanobrag_torch.workbook.machine.processes import describe, words_of_parent
from nanobrag_torch.workbook.records import catalogue
from nanobrag_torch.workbook.records.base import Record
from nanobrag_torch.workbook.records.run import EnvironmentRecord, Manifest, Owner, Process, Verdict
from nanobrag_torch.workbook.report.contents import STATUS, UNLISTED, key_numbers, verify

#: Files of a report that people open.
NOTEBOOK, PAGE, SUMMARY = "notebook.ipynb", "report.html", "summary.md"
BRIEF = "brief.json"
#: The verdict that a notebook stated, where the run ended in another.
STATED = "stated_verdict.json"
#: Ends the name of what was set aside.
_DAMAGED = ".damaged"
#: Ends the name of the folder of a run that has not ended.
RUNNING = ".running"
#: Ends the name of one that is not yet complete; it is nobody's after a minute.
STARTING = ".starting"
_STARTING_S = 60
_STAMP_FORMAT = "%Y%m%dT%H%M%SZ"
_CLOCKS_DIFFER = timedelta(hours=1)

R = TypeVar("R", bound=Record)


class Artefact(Protocol):
    """Whatever knows how to put itself into a report folder."""

    def save(self, folder: Path, name: str) -> None:
        """Write the files of this artefact below ``folder``."""


A = TypeVar("A", bound=Artefact)


class Report:
    """One report folder, while it is being written."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def create(cls, reports: Path, owner: Owner, *, wait: bool = False) -> "Report":
        """The working folder of a new run below ``reports``.

        Where the stamp is already taken, that of a later second is used if ``wait``; otherwise, and where the folder
        cannot be made, ``InputError`` is raised.
        """
        while True:
            report = cls._claim(reports / owner.initiative / owner.phase / owner.stamp, owner)
            if report is not None:
                return report
            if not wait:
                raise InputError.of(
                    "report", "stamp", owner.stamp, "one that has no report yet", "Give another --stamp, or none."
                )
            time.sleep(1)
            owner = owner.model_copy(update={"stamp": new_stamp()})

    @classmethod
    def _claim(cls, final: Path, owner: Owner) -> "Report | None":
        """The working folder for ``final``, complete from its first moment; None where another run has the stamp."""
        folder = final.with_name(f".{owner.stamp}{RUNNING}")
        prepared = final.with_name(f".{owner.stamp}.{owner.process.pid}{STARTING}")
        try:
            prepared.mkdir(parents=True)
            report = cls(prepared)
            report.write(owner)
            report.write_text(STATUS, "running\n")
            # A rename succeeds for one of several runs, since a folder that is not empty cannot be replaced.
            prepared.rename(folder)
        except OSError as error:
            shutil.rmtree(prepared, ignore_errors=True)
            if error.errno in (errno.EEXIST, errno.ENOTEMPTY):
                return None
            raise InputError.of("report", "folder", str(final.parent), "writable", f"{error.strerror}.") from None
        if final.exists():
            shutil.rmtree(folder)
            return None
        return cls(folder)

    @classmethod
    def attach(cls, folder: str) -> "Report":
        """Folder of this notebook's results: the one that a runner made, or where ``folder`` is empty, as when a
        person or plain papermill runs the notebook, a new one below ``reports/lab``, which nothing else writes into.
        """
        return cls(Path(folder)) if folder else cls(_new_lab_folder(project.root() / project.REPORTS / project.LAB))

    @property
    def final(self) -> Path:
        """Place of the report when it is finished."""
        return self.folder.with_name(self.folder.name.removeprefix(".").removesuffix(RUNNING))

    @property
    def changed(self) -> dict[str, Any]:
        """Parameters that the command line set for this run, by name; none where no run wrote the folder."""
        owner = self.read(Owner)
        given = owner.parameters.items() if owner else ()
        return {name: entry.value for name, entry in given if entry.source == "command line"}

    def write(self, artefact: A, name: str = "") -> A:
        """Save an artefact, under its own name unless another is given, and return it for display."""
        artefact.save(self.folder, name)
        return artefact

    def write_text(self, name: str, text: str) -> None:
        """Write a text file of that name."""
        files.write(self.folder / name, text)

    def read(self, kind: type[R], name: str = "") -> R | None:
        """A record back from its file; None where it is not there or was left damaged by a killed run."""
        try:
            return files.read_record(self.folder / (name or kind.file), kind)
        except files.Unreadable:
            return None

    def set_aside_damaged(self) -> None:
        """Rename files that a killed process left half written, so that nobody takes them for records.

        What a report does not hold, such as a link or a pipe, gives way to a text that says what stood there.
        """
        for name, path, other in list(files.entries(self.folder)):
            aside = path.with_name(f"{path.name}{_DAMAGED}")
            if other:
                to = f" to {path.readlink()}" if path.is_symlink() else ""
                path.unlink()
                files.write(aside, f"{other}{to}\n")
            elif name not in UNLISTED and not _readable(name, path):
                path.rename(aside)

    def state(self, verdict: Verdict) -> None:
        """Let the record of the verdict say how the run ended; what the notebook stated instead is kept beside it."""
        stated = self.read(Verdict)
        if stated is not None and stated != verdict:
            self.write(stated, STATED)
            self.write(verdict)

    def finish(self, verdict: Verdict, known: Mapping[str, str] | None = None) -> Path:
        """Write status and manifest, check every file, and rename the folder into place.

        Args:
            verdict: end of the run.
            known: checksums of files that have been read already; the check reads every file again.

        Returns:
            The new path of the folder.

        Raises:
            Blocked: the check fails; the working folder then stays as it is.
        """
        owner = self.read(Owner)
        if owner is None:
            raise Blocked(f"{self.folder.name}: no record of the run that wrote it; delete the folder.")
        for leftover in self.folder.rglob(f".*{files.UNFINISHED}"):
            leftover.unlink()
        self.state(verdict)
        self.write_text(STATUS, f"{verdict.status}\n")
        shared = {name: getattr(owner, name) for name in Manifest.model_fields if name in Owner.model_fields}
        self.write(
            Manifest(
                **shared,
                status=verdict.status,
                verdict=verdict,
                finished=now(),
                environment=self.read(EnvironmentRecord),
                numbers=key_numbers(self.folder),
                files=files.checksums(self.folder, without=UNLISTED, known=known),
            )
        )
        problems = verify(self.folder)
        if problems:
            raise Blocked("The report does not pass its own check: " + "; ".join(problems))
        final = self.final
        self.folder.rename(final)
        (final / Owner.file).unlink()
        return final


def _new_lab_folder(lab: Path) -> Path:
    """A folder that was not there before: ``lab/<notebook>/<stamp>``, numbered where a second run starts at once."""
    # JupyterLab names the session after the notebook; papermill and nbconvert have it among their words.
    known = (os.environ.get("JPY_SESSION_NAME", ""), *words_of_parent())
    name = next((Path(path).stem for path in known if path.endswith(".ipynb")), "notebook")
    name, stamp = re.sub(r"[^\w.-]", "_", name).strip(".")[:100] or "notebook", new_stamp()
    try:
        (lab / name).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        remedy = f"{error.strerror}: check the folder, which may be a link that leads nowhere."
        raise InputError.of("report", "folder", str(lab / name), "a folder that can be written", remedy) from None
    for number in itertools.count(1):
        folder = lab / name / (stamp if number == 1 else f"{stamp}-{number}")
        with suppress(FileExistsError):
            folder.mkdir()
            break
    return folder


def now() -> str:
    """This moment in UTC, ISO 8601 to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def new_stamp() -> str:
    """The stamp of a run that starts now: UTC, YYYYmmddTHHMMSSZ."""
    return time.strftime(_STAMP_FORMAT, time.gmtime())


def stamp_of(moment: datetime) -> str:
    """A moment in the form of a stamp; UTC is meant where it names no zone."""
    return (moment if moment.tzinfo is None else moment.astimezone(UTC)).strftime(_STAMP_FORMAT)


def in_the_future(stamp: str) -> bool:
    """Tell whether a stamp is later than this moment, by more than the clocks of two machines differ."""
    return stamp > stamp_of(datetime.now(UTC) + _CLOCKS_DIFFER)


def check_stamp(stamp: str) -> str:
    """``stamp`` if it has the form of one. Raises ``InputError``."""
    try:
        if not re.fullmatch(r"\d{8}T\d{6}Z", stamp):
            raise ValueError
        datetime.strptime(stamp, _STAMP_FORMAT)
    except ValueError:
        raise InputError.of("report", "stamp", stamp, "UTC as YYYYmmddTHHMMSSZ", "Leave it out for now.") from None
    return stamp


def this_process() -> Process:
    """This process, as a working folder names its owner."""
    return describe(os.getpid())


def unfinished(reports: Path) -> Iterator[tuple[Report, Owner | None]]:
    """The working folders below ``reports`` with the run that each belongs to; None where no record names it."""
    for folder in sorted(reports.glob(f"*/*/.*{RUNNING}")):
        if folder.is_dir() and not folder.is_symlink():
            report = Report(folder)
            owner = report.read(Owner)
            # A run that ends at this moment has taken the folder with it.
            if owner is not None or folder.is_dir():
                yield report, owner


def clear_starts(reports: Path) -> None:
    """Remove the folders of runs that were killed before their working folder was complete."""
    for prepared in reports.glob(f"*/*/.*{STARTING}"):
        with suppress(FileNotFoundError):
            if time.time() - prepared.stat().st_mtime > _STARTING_S:
                shutil.rmtree(prepared, ignore_errors=True)


def _readable(name: str, path: Path) -> bool:
    """Tell whether a file that is to hold JSON, by its relative path, holds it, and its record where it is one."""
    if not name.endswith((".json", ".ipynb")):
        return True
    try:
        if "/" in name:
            files.parsed(files.read(path), not_finite=name.endswith(".ipynb"))
        else:
            catalogue.read(path)
    except files.Unreadable:
        return False
    return True
