"""Identity of a process: what a record says of one, and whether that one still runs.

A record may be years old, or come from another machine. It therefore only tells who a process was. Nothing is ever sent
to the process that has its number today; what a run started is ended by its mark (:mod:`.family`).
"""

import os
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Literal

import psutil

from nanobrag_torch.workbook.machine.family import SAME_START_S
from nanobrag_torch.workbook.records.run import Process

#: Where a process of a record is: on this machine, ended, or on a machine of which nothing is known here.
Whereabouts = Literal["here", "gone", "elsewhere"]
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@cache
def boot() -> str:
    """Name of this start of the machine; empty where the system gives none."""
    try:
        return _BOOT_ID.read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def describe(pid: int) -> Process:
    """Record of a living process.

    Raises:
        psutil.NoSuchProcess: there is none of that number.
    """
    process = psutil.Process(pid)
    return Process(
        pid=pid,
        started=process.create_time(),
        host=platform.node(),
        boot=boot(),
        uid=process.uids().real,
        session=os.getsid(pid),
    )


def whereabouts(process: Process) -> Whereabouts:
    """Tell where the process of a record is; one on another machine is neither alive nor dead to this one."""
    if process.host != platform.node():
        return "elsewhere"
    if process.boot and boot() and process.boot != boot():
        # It ended when this machine was started anew, unless another machine has the same name.
        return "gone" if process.started < psutil.boot_time() else "elsewhere"
    try:
        found = describe(process.pid)
        dead = psutil.Process(process.pid).status() == psutil.STATUS_ZOMBIE
    except (psutil.Error, OSError):
        return "gone"
    return "here" if not dead and _is_one(process, found) else "gone"


def words_of_parent() -> list[str]:
    """Command line of the process that started this one; empty where the system does not tell."""
    try:
        return list(psutil.Process(os.getppid()).cmdline())
    except psutil.Error:
        return []


def _is_one(then: Process, now: Process) -> bool:
    """True where both records are of one process, by all that the older one knows."""
    known = {name: value for name in ("uid", "session") if (value := getattr(then, name)) is not None}
    same_start = abs(then.started - now.started) < SAME_START_S
    return same_start and all(getattr(now, name) == value for name, value in known.items())


@contextmanager
def script_hidden() -> Iterator[None]:
    """Keep processes that are started from running the script of this one once more.

    A process that is spawned imports the script first; one that calls a sweep, without asking whether it is the main
    one, would call it again. Workers need this package alone.
    """
    script = vars(sys.modules["__main__"])
    names = ("__file__", "__spec__")
    hidden = {name: script[name] for name in names if name in script}
    script.pop("__file__", None)
    script["__spec__"] = None
    try:
        yield
    finally:
        script.pop("__spec__", None)
        script.update(hidden)
