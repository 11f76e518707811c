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
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import psutil

#: Environment variable with the marks of the families that a process belongs to: a run may be started within another.
VARIABLE = "NANOBRAG_RUN"
MARK = r"[0-9a-f]{32}"
#: Marks a warden, which ends a family within another one and then itself: nobody ends it before.
_WARDEN = "NANOBRAG_WARDEN"
_SEPARATOR = ":"
_LOOK_S = 0.02
#: Seconds without a member after which a family has ended. One that is just being started carries no mark for a moment,
#: which may be longer where the process that starts it was killed. Nobody waits for the warden.
_QUIET_S, _QUIET_AFTER_DEATH_S, _QUIET_FOR_WARDEN_S = 0.05, 0.2, 1.0
_PATIENCE_S = 10.0
#: The time of the boot, to which the system adds the age of a process, is known to a second.
SAME_START_S = 2.0
_NONE: Mapping[int, float] = MappingProxyType({})


@dataclass(frozen=True)
class Family:
    """Processes that carry ``mark``, with the environment that gives it to them.

    ``leaders`` are the first of them, with the times of their starts, each in a session of its own, in which its
    children are known without the mark.
    """

    mark: str
    environment: dict[str, str]
    leaders: dict[int, float] = field(default_factory=dict)
    warden: "subprocess.Popen[bytes] | None" = None

    def lead(self, pid: int) -> None:
        """Note a process that was started in a session of its own, here and with the warden."""
        started = 0.0
        with suppress(psutil.Error):
            started = psutil.Process(pid).create_time()
        self.leaders[pid] = started
        if self.warden is not None and self.warden.stdin is not None:
            # Without its warden, a family still ends with the block.
            with suppress(OSError):
                self.warden.stdin.write(f"{pid} {started!r}\n".encode())
                self.warden.stdin.flush()

    def start(self, words: list[str], **how: Any) -> "subprocess.Popen[bytes]":
        """Start a process of the family; ``how`` goes to :class:`subprocess.Popen`."""
        process = subprocess.Popen(words, env=self.environment, start_new_session=True, **how)
        self.lead(process.pid)
        return process

    def wait(self, process: "subprocess.Popen[bytes]", deadline: float, stop: Callable[[], bool] = bool) -> bool:
        """Wait for a process of the family, and leave its exit code to be asked for.

        As long as nobody has asked, its number is that of its session, even for those that end it from outside.

        Args:
            process: the process.
            deadline: time of :func:`time.monotonic` at which it is late.
            stop: is asked whether to wait no longer.

        Returns:
            False where it was late.
        """
        while _runs(process.pid) and not stop():
            if time.monotonic() > deadline:
                return False
            time.sleep(_LOOK_S)
        return True

    def members(self) -> list[psutil.Process]:
        """The living processes of the family."""
        return members(self.mark, self.leaders)

    def end(self) -> None:
        """End them all."""
        end(self.mark, leaders=self.leaders)


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
    mark = new_mark()
    # In a session of its own, it does not hear a Ctrl-C, and holds neither folder nor terminal of this process.
    warden = subprocess.Popen(
        [sys.executable, "-P", __file__, mark], cwd=os.sep, env={**os.environ, _WARDEN: mark}, start_new_session=True,
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    assert warden.stdin is not None
    own = Family(mark, marked(environment, mark), warden=warden)
    try:
        yield own
    finally:
        try:
            own.end()
            warden.kill()
        finally:
            # Where a second signal cut the end short, the closing pipe lets the warden do it.
            with suppress(OSError):
                warden.stdin.close()
            warden.wait()


def members(mark: str, leaders: Mapping[int, float] = _NONE) -> list[psutil.Process]:
    """Living processes, other than this one, that carry ``mark``, and those that these started without it.

    A process that was given an empty environment is known by its parent, or by the leader of its session.

    Args:
        mark: mark of the family.
        leaders: processes of the family that lead sessions of their own, and the times of their starts; they may have
            ended. One that was forked shows the environment, and so the mark, of the process that it was forked from.
    """
    others = {process.pid: process for process in psutil.process_iter() if process.pid != os.getpid()}
    found = {pid for pid, process in others.items() if _carries(process, mark)}
    # A living process with the number of a leader and another start is a later one.
    known = found | {pid for pid, at in leaders.items() if pid not in others or not _began_later(others[pid], at)}
    while fresh := {pid for pid, process in others.items() if pid not in known and _started_by(process, known)}:
        known |= fresh
    # One that is dead and not yet buried still tells whose its children are.
    return [others[pid] for pid in sorted(known) if pid in others and _lives(others[pid])]


def end(mark: str, quiet_s: float = _QUIET_S, leaders: Mapping[int, float] = _NONE) -> list[int]:
    """End every process of a family, and wait until none is left that could still write.

    Args:
        mark: mark of the family; a text that is no mark names no process.
        quiet_s: seconds without a member after which it has ended.
        leaders: as :func:`members` takes them.

    Returns:
        Process ids of those that the system could not end within ten seconds; usually none.
    """
    if not re.fullmatch(MARK, mark):
        return []
    started = last_seen = time.monotonic()
    halted: set[psutil.Process] = set()
    while time.monotonic() - last_seen < quiet_s:
        # What one starts just before it is killed is known by it alone: all are halted first, and looked for again.
        while True:
            found = set(members(mark, leaders))
            wardens = {process for process in found if _WARDEN in _environment(process)}
            fresh = found - wardens - halted
            if not fresh or time.monotonic() - started > _PATIENCE_S:
                break
            _each(psutil.Process.suspend, fresh)
            halted |= fresh
        _each(psutil.Process.kill, halted)
        if halted or wardens:
            last_seen = time.monotonic()
            halted = {process for process in halted if _lives(process)}
        if last_seen - started > _PATIENCE_S:
            break
        time.sleep(_LOOK_S)
    return sorted(process.pid for process in halted)


def end_after_death(mark: str) -> list[int]:
    """End a family whose watching process was killed, perhaps while it was starting another; see :func:`end`."""
    return end(mark, _QUIET_AFTER_DEATH_S)


def _each(send: Callable[[psutil.Process], None], processes: Iterable[psutil.Process]) -> None:
    for process in processes:
        with suppress(psutil.Error):
            send(process)


def _carries(process: psutil.Process, mark: str) -> bool:
    return mark in _environment(process).get(VARIABLE, "").split(_SEPARATOR)


def _environment(process: psutil.Process) -> dict[str, str]:
    with suppress(psutil.Error):
        return dict(process.environ())
    return {}


def _started_by(process: psutil.Process, known: Container[int]) -> bool:
    with suppress(psutil.Error, ProcessLookupError):
        return process.ppid() in known or os.getsid(process.pid) in known
    return False


def _began_later(process: psutil.Process, then: float) -> bool:
    with suppress(psutil.Error):
        return bool(process.create_time() > then + SAME_START_S)
    return False


def _runs(pid: int) -> bool:
    with suppress(psutil.NoSuchProcess):
        return _lives(psutil.Process(pid))
    return False


def _lives(process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    return False


if __name__ == "__main__":
    told = {int(pid): float(started) for pid, started in map(str.split, sys.stdin)}
    end(sys.argv[1], _QUIET_FOR_WARDEN_S, told)
