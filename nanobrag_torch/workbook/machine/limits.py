"""Limits of time and memory for a family of processes; crossing one ends them."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Literal

import psutil

from nanobrag_torch.workbook.machine.family import Family

#: Part of the machine's memory that a kernel may take unless the user says otherwise; seconds likewise.
USUAL_SHARE = 0.8
USUAL_SECONDS = 7200
_LOOK_S = 0.1
#: A look at all processes of a large machine takes a while; it gets this part of the time.
_SHARE = 0.05
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
def watching(family: Family, limits: Limits) -> Iterator[None]:
    """End a family once it crosses a limit.

    Raises:
        Crossed: a limit was crossed; it takes the place of the error that the body raised for that reason.
    """
    crossed: list[Crossed] = []
    done = threading.Event()
    watch = threading.Thread(target=_watch, args=(family, limits, done, crossed), daemon=True)
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


def _watch(family: Family, limits: Limits, done: threading.Event, crossed: list[Crossed]) -> None:
    """Look at a family until it crosses a limit or ``done`` is set.

    Args:
        family: the family.
        limits: its limits.
        done: set by the caller to end the watch.
        crossed: takes the limit that was crossed, if any.
    """
    started = time.monotonic()
    pause = _LOOK_S
    while not done.wait(pause):
        looked = time.monotonic()
        if limits.seconds is not None and time.monotonic() - started > limits.seconds:
            crossed.append(Crossed("timeout", f"the notebook took longer than {limits.seconds:g} s"))
        elif limits.memory is not None and (taken := memory_of(family)) > limits.memory:
            words = f"it took {taken / _GIB:.2f} GiB; {limits.memory / _GIB:.2f} GiB are allowed"
            crossed.append(Crossed("memory", words))
        if crossed:
            family.end()
            return
        pause = max(_LOOK_S, (time.monotonic() - looked) / _SHARE)


def memory_of(family: Family) -> int:
    """Memory that the processes of a family hold, in bytes; 0 where all have ended."""
    taken = 0
    for process in family.members():
        with suppress(psutil.Error):
            taken += process.memory_info().rss
    return taken
