"""Limits of a process group: crossing one ends the group and takes the place of the error that follows."""

import subprocess
import time
from collections.abc import Iterator

import psutil
import pytest

from nanobrag_torch.workbook.machine import limits
from nanobrag_torch.workbook.machine.limits import Crossed, Limits


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    started = subprocess.Popen(["sleep", "60"], start_new_session=True)
    yield started
    started.kill()
    started.wait()


def wait_for_its_end(process: subprocess.Popen[bytes]) -> None:
    """Raise what a client of the process raises when it is gone."""
    process.wait(20)
    raise RuntimeError("the kernel died")


@pytest.mark.parametrize(
    ("limit", "kind", "said"),
    [
        (Limits(seconds=0.05), "timeout", "the notebook took longer than 0.05 s"),
        (Limits(memory=1), "memory", "0.00 GiB are allowed"),
    ],
)
def test_a_limit_that_is_crossed_ends_the_process_and_is_the_error(process, limit, kind, said) -> None:
    started = time.monotonic()
    with pytest.raises(Crossed) as crossed, limits.watching(process.pid, limit):
        wait_for_its_end(process)
    assert crossed.value.kind == kind and said in str(crossed.value)
    assert process.returncode == -9 and time.monotonic() - started < 10


def test_an_error_within_the_limits_is_left_as_it_is(process) -> None:
    with pytest.raises(ZeroDivisionError), limits.watching(process.pid, Limits(seconds=60, memory=2**40)):
        time.sleep(0.15)
        raise ZeroDivisionError
    assert process.poll() is None


def test_without_limits_nothing_is_ended(process) -> None:
    with limits.watching(process.pid, Limits()):
        time.sleep(0.15)
    assert process.poll() is None


def test_memory_is_that_of_a_process_with_its_descendants() -> None:
    own = psutil.Process()
    alone = own.memory_info().rss
    child = subprocess.Popen(["sleep", "60"])
    try:
        assert limits.memory_of(own.pid) > 0.9 * alone
    finally:
        child.kill()
        child.wait()
    assert limits.memory_of(child.pid) == 0


def test_a_limit_of_the_user_takes_the_place_of_the_usual_one(monkeypatch) -> None:
    monkeypatch.setattr(limits.psutil, "virtual_memory", lambda: type("Memory", (), {"total": 10 * 2**30}))
    assert limits.usual() == Limits(7200, 8 * 2**30)
    assert limits.of_user(None, None) == limits.usual()
    assert limits.of_user(60, 1.5) == Limits(60, 3 * 2**29)
