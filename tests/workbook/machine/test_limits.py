"""Limits of a family: crossing one ends it and takes the place of the error that follows."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from nanobrag_torch.workbook.machine import limits
from nanobrag_torch.workbook.machine.family import Family, family
from nanobrag_torch.workbook.machine.limits import Crossed, Limits


@pytest.fixture
def own() -> Iterator[Family]:
    with family(os.environ) as own:
        yield own


@pytest.fixture
def process(own: Family) -> Iterator[subprocess.Popen[bytes]]:
    started = subprocess.Popen(["sleep", "60"], env=own.environment)
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
def test_a_limit_that_is_crossed_ends_the_process_and_is_the_error(own, process, limit, kind, said) -> None:
    started = time.monotonic()
    with pytest.raises(Crossed) as crossed, limits.watching(own, limit):
        wait_for_its_end(process)
    assert crossed.value.kind == kind and said in str(crossed.value)
    assert process.returncode == -9 and time.monotonic() - started < 10


def test_an_error_within_the_limits_is_left_as_it_is(own, process) -> None:
    with pytest.raises(ZeroDivisionError), limits.watching(own, Limits(seconds=60, memory=2**40)):
        time.sleep(0.15)
        raise ZeroDivisionError
    assert process.poll() is None


def test_without_limits_nothing_is_ended(own, process) -> None:
    with limits.watching(own, Limits()):
        time.sleep(0.15)
    assert process.poll() is None


def test_memory_is_that_of_the_whole_family_also_of_one_that_left_its_parent(own) -> None:
    greedy = "import os, time\nif os.fork(): os._exit(0)\nos.setsid(); held = b'1' * 50_000_000; time.sleep(60)"
    assert limits.memory_of(own) == 0
    subprocess.run([sys.executable, "-c", greedy], env=own.environment, check=True)
    deadline = time.monotonic() + 20
    while not 50_000_000 < limits.memory_of(own) < 200_000_000:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    own.end()
    assert limits.memory_of(own) == 0


def test_a_look_that_takes_long_is_taken_less_often(own, monkeypatch) -> None:
    looks = []

    def slow(_) -> int:
        looks.append(time.sleep(0.05))
        return 0

    monkeypatch.setattr(limits, "memory_of", slow)
    with limits.watching(own, Limits(memory=1)):
        time.sleep(1.0)
    assert 1 <= len(looks) <= 2


def test_a_limit_of_the_user_takes_the_place_of_the_usual_one(monkeypatch) -> None:
    monkeypatch.setattr(limits.psutil, "virtual_memory", lambda: type("Memory", (), {"total": 10 * 2**30}))
    assert limits.usual() == Limits(7200, 8 * 2**30)
    assert limits.of_user(None, None) == limits.usual()
    assert limits.of_user(60, 1.5) == Limits(60, 3 * 2**29)
