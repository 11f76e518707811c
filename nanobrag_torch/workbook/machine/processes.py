"""Processes of a run: noted in its folder while they live, and ended with everything that they started."""

import os
import platform
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from nanobrag_torch.workbook.records.run import Process

#: File in the folder that a process writes to, so that a later command can end one that outlived its run.
NOTE = ".process.json"


def describe(pid: int) -> Process:
    """Record of a living process, told from a later one with the same number by its start."""
    return Process(pid=pid, started=psutil.Process(pid).create_time(), host=platform.node())


def words_of_parent() -> list[str]:
    """Command line of the process that started this one; empty where the system does not tell."""
    try:
        return list(psutil.Process(os.getppid()).cmdline())
    except psutil.Error:
        return []


def lives(process: Process) -> bool:
    """Tell whether a process of this host still runs."""
    try:
        found = psutil.Process(process.pid)
        age = abs(found.create_time() - process.started)
        return bool(age < 1.0 and found.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


@contextmanager
def noted(pid: int, folder: Path) -> Iterator[None]:
    """Note in ``folder`` that the group of ``pid`` writes there; at the end, end the group and remove the note."""
    try:
        with suppress(psutil.NoSuchProcess):
            describe(pid).save(folder, NOTE)
        yield
    finally:
        end_group(pid)
        (folder / NOTE).unlink(missing_ok=True)


def end_noted(folder: Path) -> None:
    """End the processes of this host that are noted anywhere below ``folder``."""
    for note in folder.rglob(NOTE):
        with suppress(ValueError):
            process = Process.model_validate_json(note.read_text())
            if process.host == platform.node() and lives(process):
                end_group(process.pid)
        note.unlink()


def end(pid: int) -> None:
    """End a process and its descendants; nothing happens where it has ended."""
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        for each in (*process.children(recursive=True), process):
            with suppress(psutil.NoSuchProcess):
                each.kill()


def end_group(leader: int) -> None:
    """End a process that leads a group, its descendants, and what else is left of the group."""
    end(leader)
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)
