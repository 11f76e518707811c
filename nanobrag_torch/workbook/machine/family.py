"""The family of a run: the processes that it starts, known by a mark in their environment, and ended together.

A process hands its environment on to all that it starts. So the mark also names those that left their group and session
(``setsid``) or lost their parent (a double fork), and no process that a run did not start.

This file is a program as well, the warden: it ends a family as soon as the process that watches over it is gone, which
it sees by the end of a pipe. It needs nothing but psutil, and starts in a twentieth of a second.
"""

import os
import re
import subprocess
import sys
import time
import uuid
from collections.abc import Container, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import psutil

#: Environment variable with the marks of the families that a process belongs to: a run may be started within another.
VARIABLE = "NANOBRAG_RUN"
MARK = r"[0-9a-f]{32}"
_SEPARATOR = ":"
_LOOK_S = 0.02
#: Seconds without a member after which a family has ended. One that is just being started carries no mark for a moment,
#: which may be longer where the process that starts it was killed. Nobody waits for the warden.
_QUIET_S, _QUIET_AFTER_DEATH_S, _QUIET_FOR_WARDEN_S = 0.05, 0.2, 1.0
_PATIENCE_S = 10.0


@dataclass(frozen=True)
class Family:
    """Processes that carry ``mark``, with the environment that gives it to them."""

    mark: str
    environment: dict[str, str]

    def members(self) -> list[psutil.Process]:
        """The living processes of the family."""
        return members(self.mark)

    def end(self) -> None:
        """End them all."""
        end(self.mark)


def new_mark() -> str:
    """A mark that no other family has."""
    return uuid.uuid4().hex


def marked(environment: Mapping[str, str], mark: str) -> dict[str, str]:
    """An environment with one more mark."""
    known = environment.get(VARIABLE)
    return {**environment, VARIABLE: f"{known}{_SEPARATOR}{mark}" if known else mark}


@contextmanager
def carrying(mark: str) -> Iterator[None]:
    """Let all that this process starts carry ``mark``, by which a later command finds what outlived it."""
    before = os.environ.get(VARIABLE)
    os.environ.update(marked(os.environ, mark))
    try:
        yield
    finally:
        os.environ.pop(VARIABLE)
        if before is not None:
            os.environ[VARIABLE] = before


@contextmanager
def family(environment: Mapping[str, str]) -> Iterator[Family]:
    """A new family, whose members are started with its environment; it ends with the block, or with this process.

    Args:
        environment: environment to which the mark is added.
    """
    own = Family(mark := new_mark(), marked(environment, mark))
    # In a session of its own, it does not hear a Ctrl-C, and holds neither folder nor terminal of this process.
    warden = subprocess.Popen(
        [sys.executable, "-P", __file__, mark],
        cwd=os.sep, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    assert warden.stdin is not None
    try:
        yield own
    finally:
        try:
            own.end()
            warden.kill()
        finally:
            # Where a second signal cut the end short, the closing pipe lets the warden do it.
            warden.stdin.close()
            warden.wait()


def members(mark: str) -> list[psutil.Process]:
    """Living processes, other than this one, that carry ``mark``, and those that these started without it.

    A process that was given an empty environment is known by its parent, or by the leader of its session.
    """
    others = [process for process in psutil.process_iter() if process.pid != os.getpid()]
    fresh = {process.pid: process for process in others if _carries(process, mark)}
    found = dict(fresh)
    while fresh:
        fresh = {each.pid: each for each in others if each.pid not in found and _started_by(each, found)}
        found |= fresh
    return list(found.values())


def end(mark: str, quiet_s: float = _QUIET_S) -> list[int]:
    """End every process of a family, and wait until none is left that could still write.

    Args:
        mark: mark of the family; a text that is no mark names no process.
        quiet_s: seconds without a member after which it has ended.

    Returns:
        Process ids of those that the system could not end within ten seconds; usually none.
    """
    if not re.fullmatch(MARK, mark):
        return []
    started = last_seen = time.monotonic()
    dying: set[psutil.Process] = set()
    while time.monotonic() - last_seen < quiet_s:
        found = members(mark)
        for process in found:
            with suppress(psutil.Error):
                process.kill()
        dying = {process for process in dying.union(found) if _lives(process)}
        if found or dying:
            last_seen = time.monotonic()
        if last_seen - started > _PATIENCE_S:
            break
        time.sleep(_LOOK_S)
    return sorted(process.pid for process in dying)


def end_after_death(mark: str) -> list[int]:
    """End a family whose watching process was killed, perhaps while it was starting another; see :func:`end`."""
    return end(mark, _QUIET_AFTER_DEATH_S)


def _carries(process: psutil.Process, mark: str) -> bool:
    with suppress(psutil.Error):
        return mark in process.environ().get(VARIABLE, "").split(_SEPARATOR)
    return False


def _started_by(process: psutil.Process, known: Container[int]) -> bool:
    with suppress(psutil.Error, ProcessLookupError):
        return (process.ppid() in known or os.getsid(process.pid) in known) and _lives(process)
    return False


def _lives(process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    return False


if __name__ == "__main__":
    sys.stdin.buffer.read()
    end(sys.argv[1], _QUIET_FOR_WARDEN_S)
