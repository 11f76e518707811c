"""Families of processes: known by their mark wherever they went, and ended with the process that watches over them."""

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from nanobrag_torch.workbook.machine import family as families
from nanobrag_torch.workbook.machine.family import VARIABLE, carrying, end, family, marked, members, new_mark

_SLEEPER = "[sys.executable, '-c', 'import time; time.sleep(120)']"
#: Ways to start a process that leave it without parent, group, session, or all of them; each prints its number.
WAYS = {
    "a child": f"print(subprocess.Popen({_SLEEPER}).pid, flush=True)",
    "in a session of its own": f"print(subprocess.Popen({_SLEEPER}, start_new_session=True).pid, flush=True)",
    "a double fork": (
        "if os.fork() == 0:\n"
        "    os.setsid()\n"
        f"    print(subprocess.Popen({_SLEEPER}).pid, flush=True)\n"
        "    os._exit(0)\n"
        "os.wait()"
    ),
    "a fork alone": (
        "if (pid := os.fork()) == 0:\n    os.setsid(); time.sleep(120)\nprint(pid, flush=True)"
    ),
    "without the environment": f"print(subprocess.Popen({_SLEEPER}, env={{}}).pid, flush=True)",
    "without the environment, its parent gone": (
        "if os.fork() == 0:\n"
        f"    print(subprocess.Popen({_SLEEPER}, env={{}}).pid, flush=True)\n"
        "    os._exit(0)\n"
        "os.wait()"
    ),
}  # fmt: skip
_WATCHES = """
import os, subprocess, sys, time
from nanobrag_torch.workbook.machine.family import family
with family(os.environ) as own:
    words = [sys.executable, "-c", sys.argv[1]]
    process = subprocess.Popen(words, env=own.environment, stdout=subprocess.PIPE, text=True, start_new_session=True)
    print(process.pid, process.stdout.readline(), flush=True)
    time.sleep(120)
"""


def starting(way: str) -> str:
    """A program that starts a process in that way and goes on."""
    return f"import os, subprocess, sys, time\n{WAYS[way]}\ntime.sleep(120)"


def lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.mark.parametrize("way", WAYS)
def test_what_a_member_starts_is_found_and_ended_however_it_was_started(way: str) -> None:
    with family(os.environ) as own:
        words = [sys.executable, "-c", starting(way)]
        process = subprocess.Popen(words, env=own.environment, stdout=subprocess.PIPE, start_new_session=True)
        assert process.stdout is not None
        with process.stdout:
            started = int(process.stdout.readline())
        assert {process.pid, started} <= {member.pid for member in own.members()}
    assert process.wait(10) == -9 and not lives(started)


@pytest.mark.parametrize("asked", [False, True], ids=["not yet buried", "buried"])
def test_what_was_started_without_the_environment_is_found_after_its_parent_ended(asked: bool) -> None:
    with family(os.environ) as own:
        words = [sys.executable, "-c", f"import subprocess, sys\n{WAYS['without the environment']}"]
        process = own.start(words, stdout=subprocess.PIPE)
        assert process.stdout is not None
        with process.stdout:
            started = int(process.stdout.readline())
        assert own.wait(process, time.monotonic() + 10)
        if asked:
            assert process.wait() == 0
        assert [member.pid for member in own.members()] == [started]
    assert process.wait() == 0 and not lives(started)


def test_a_process_with_the_number_of_a_leader_is_a_member_if_it_started_as_that_did() -> None:
    started = (
        "print(__import__('subprocess').Popen(['sleep', '120'], start_new_session=True, stdout=-3, stderr=-3).pid)"
    )
    said = subprocess.run([sys.executable, "-W", "ignore", "-c", started], capture_output=True, text=True, check=True)
    stranger = psutil.Process(int(said.stdout))
    try:
        assert members(new_mark(), {stranger.pid: stranger.create_time() - 60}) == []
        assert members(new_mark(), {stranger.pid: stranger.create_time()}) == [stranger]
    finally:
        stranger.kill()


def test_a_leader_whose_mark_cannot_be_read_yet_is_ended_with_its_family() -> None:
    with family(os.environ) as own:
        process = subprocess.Popen(["sleep", "120"], env={}, start_new_session=True)
        own.lead(process.pid)
    assert process.wait(10) == -9


def test_a_process_is_waited_for_until_it_ends_or_is_late_or_is_to_stop() -> None:
    with family(os.environ) as own:
        process = own.start(["sleep", "120"])
        assert not own.wait(process, time.monotonic() + 0.05)
        assert own.wait(process, time.monotonic() + 60, lambda: True) and process.poll() is None
        process.kill()
        process.wait()
        assert own.wait(process, time.monotonic() + 60)


@pytest.mark.parametrize("way", WAYS)
def test_a_family_ends_when_the_process_that_watches_over_it_is_killed(way: str) -> None:
    watching = subprocess.Popen([sys.executable, "-c", _WATCHES, starting(way)], stdout=subprocess.PIPE, text=True)
    assert watching.stdout is not None
    with watching.stdout:
        first, started = map(int, watching.stdout.readline().split())
        assert lives(first) and lives(started)
        watching.kill()
        watching.wait()
    deadline = time.monotonic() + 10
    while lives(first) or lives(started):
        assert time.monotonic() < deadline
        time.sleep(0.02)


_WATCHES_WITHIN = """
import os, subprocess, sys, time
from nanobrag_torch.workbook.machine.family import family
with family(os.environ) as own:
    process = own.start([sys.executable, "-c", sys.argv[1]], stdout=subprocess.PIPE, text=True)
    print(process.stdout.readline(), flush=True)
    own.wait(process, time.monotonic() + 60)
    os.kill(os.getpid(), 9)
"""


def test_the_warden_of_a_family_within_does_its_work_before_the_family_around_it_has_ended() -> None:
    starts = f"import subprocess, sys\n{WAYS['without the environment']}"
    with family(os.environ) as own:
        # The one process by which the other is known has ended when the one that watches over both is killed.
        watching = own.start([sys.executable, "-c", _WATCHES_WITHIN, starts], stdout=subprocess.PIPE)
        assert watching.stdout is not None
        with watching.stdout:
            started = int(watching.stdout.readline())
            assert own.wait(watching, time.monotonic() + 20)
        own.end()
        assert not lives(started)
    assert watching.wait() == -9


def test_a_process_of_another_family_is_left_alone() -> None:
    with family(os.environ) as own, family(os.environ) as other:
        process = subprocess.Popen(["sleep", "120"], env=other.environment)
        own.end()
        assert process.poll() is None and [member.pid for member in other.members()] == [process.pid]
    assert process.wait(10) == -9


def test_a_process_belongs_to_the_family_within_and_to_the_one_around_it() -> None:
    with family(os.environ) as outer, family(outer.environment) as inner:
        process = subprocess.Popen(["sleep", "120"], env=inner.environment)
        assert inner.mark != outer.mark
        assert [member.pid for member in inner.members()] == [process.pid]
        outer.end()
        assert process.wait(10) == -9


def test_the_end_of_a_family_waits_until_none_can_write_any_more(tmp_path: Path) -> None:
    grows = tmp_path / "grows.txt"
    writes = f"while True: open({str(grows)!r}, 'a').write('x' * 1000)"
    with family(os.environ) as own:
        process = subprocess.Popen([sys.executable, "-c", writes], env=own.environment)
        deadline = time.monotonic() + 10
        while not grows.exists():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        own.end()
        size = grows.stat().st_size
        time.sleep(0.1)
        assert grows.stat().st_size == size > 0
    process.wait()


def test_a_process_that_starts_others_all_the_time_is_ended_with_the_last_of_them() -> None:
    popen = f"subprocess.Popen({_SLEEPER}, env={{'OF': sys.argv[1]}}, start_new_session=True)"
    starts = f"import subprocess, sys\nwhile True:\n    {popen}"
    for _ in range(3):
        with family(os.environ) as own:
            process = own.start([sys.executable, "-c", starts, own.mark])
            deadline = time.monotonic() + 20
            while len(own.members()) < 5:
                assert time.monotonic() < deadline
        process.wait()
        assert [each for each in psutil.process_iter() if own.mark in _environment_of(each) and lives(each.pid)] == []


def _environment_of(process: psutil.Process) -> str:
    try:
        return str(process.environ())
    except psutil.Error:
        return ""


def test_a_process_that_cannot_be_ended_is_told_by_its_number(monkeypatch) -> None:
    monkeypatch.setattr(families, "_PATIENCE_S", 1.0)
    mark = new_mark()
    process = subprocess.Popen(["sleep", "120"], env=marked(os.environ, mark))
    monkeypatch.setattr(psutil.Process, "kill", lambda self: None)
    assert end(mark) == [process.pid]
    monkeypatch.undo()
    assert end(mark) == [] and process.wait(10) == -9


@pytest.mark.parametrize("mark", ["", ":", "x" * 32, "*", "0" * 31])
def test_a_text_that_is_no_mark_names_no_process(mark: str, monkeypatch) -> None:
    process = subprocess.Popen(["sleep", "120"], env={**os.environ, VARIABLE: mark})
    try:
        assert end(mark) == [] and process.poll() is None
    finally:
        process.kill()
        process.wait()


def test_this_process_is_no_member_though_it_may_carry_the_mark() -> None:
    mark = new_mark()
    asks = f"from nanobrag_torch.workbook.machine.family import members\nprint(len(members({mark!r})))"
    done = subprocess.run(
        [sys.executable, "-c", asks], env=marked(os.environ, mark), capture_output=True, text=True, check=True
    )
    assert done.stdout == "0\n" and members(mark) == []


def test_what_this_process_starts_carries_its_mark_for_a_while(monkeypatch) -> None:
    for around in ("", new_mark()):
        monkeypatch.delenv(VARIABLE, raising=False)
        if around:
            monkeypatch.setenv(VARIABLE, around)
        with carrying(mark := new_mark()):
            process = subprocess.Popen(["sleep", "120"])
            assert [member.pid for member in members(mark)] == [process.pid]
            assert end(mark) == [] and process.wait(10) == -9
        assert os.environ.get(VARIABLE, "") == around
