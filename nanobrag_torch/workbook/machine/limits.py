"""Limits of time and memory for a kernel and everything that it started; crossing one ends them."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Literal

import psutil

from nanobrag_torch.workbook.machine import processes

#: Part of the machine's memory that a kernel may take unless the user says otherwise; seconds likewise.
USUAL_SHARE = 0.8
USUAL_SECONDS = 7200
_LOOK_S = 0.1
_GIB = 2**30


@dataclass(frozen=True)
class Limits:
    """Limits of a run: seconds for a whole notebook, and bytes of memory; None is no limit."""

    seconds: float | None = None
    memory: int | None = None


def usual() -> Limits:
    """Limits of a run unless the user says otherwise: two hours, and four fifths of the memory of this machine."""
    return Limits(USUAL_SECONDS, int(psutil.virtual_memory().total * USUAL_SHARE))


def of_user(seconds: int | None, gibibytes: float | None) -> Limits:
    """Usual limits, with those that the user gave in their place; None for one that was not given."""
    known = usual()
    memory = known.memory if gibibytes is None else int(gibibytes * _GIB)
    return Limits(known.seconds if seconds is None else seconds, memory)


class Crossed(RuntimeError):
    """Raised when a limit was crossed and the kernel ended; ``kind`` is "timeout" or "memory"."""

    def __init__(self, kind: Literal["timeout", "memory"], detail: str) -> None:
        super().__init__(detail)
        self.kind: Literal["timeout", "memory"] = kind


@contextmanager
def watching(leader: int, limits: Limits) -> Iterator[None]:
    """End the process group of ``leader`` once it crosses a limit.

    Raises:
        Crossed: a limit was crossed; it takes the place of the error that the body raised for that reason.
    """
    crossed: list[Crossed] = []
    done = threading.Event()
    watch = threading.Thread(target=_watch, args=(leader, limits, done, crossed), daemon=True)
    watch.start()
    try:
        yield
    except Exception:
        if crossed:
            raise crossed[0] from None
        raise
    finally:
        done.set()
        watch.join()


def _watch(leader: int, limits: Limits, done: threading.Event, crossed: list[Crossed]) -> None:
    """Look at a process group until it crosses a limit or ``done`` is set.

    Args:
        leader: process id of the leader of the group.
        limits: its limits.
        done: set by the caller to end the watch.
        crossed: takes the limit that was crossed, if any.
    """
    started = time.monotonic()
    while not done.wait(_LOOK_S):
        if limits.seconds is not None and time.monotonic() - started > limits.seconds:
            crossed.append(Crossed("timeout", f"the notebook took longer than {limits.seconds:g} s"))
        elif limits.memory is not None and (taken := memory_of(leader)) > limits.memory:
            words = f"it took {taken / _GIB:.2f} GiB; {limits.memory / _GIB:.2f} GiB are allowed"
            crossed.append(Crossed("memory", words))
        if crossed:
            processes.end_group(leader)
            return


def memory_of(leader: int) -> int:
    """Memory that a process and its descendants hold, in bytes; 0 where it has ended."""
    taken = 0
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(leader)
        for each in (process, *process.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                taken += each.memory_info().rss
    return taken
