"""A process is told apart from every other by its record; one of another machine is neither alive nor dead."""

import os
import platform
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest
from pydantic import ValidationError

from nanobrag_torch.workbook.machine import processes
from nanobrag_torch.workbook.machine.processes import describe, whereabouts
from nanobrag_torch.workbook.records.run import Process


@contextmanager
def sleeping(*words: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process that sleeps and leads a session, ended after the test."""
    process = subprocess.Popen(words or ("sleep", "60"), start_new_session=True)
    try:
        while not psutil.Process(process.pid).cmdline():  # the kernel fills it in a moment after the program is there
            time.sleep(0.001)
        yield process
    finally:
        process.kill()
        process.wait()


def test_a_process_is_here_until_it_ends_even_before_its_parent_notices() -> None:
    with sleeping() as process:
        described = describe(process.pid)
        assert (described.pid, described.host) == (process.pid, platform.node())
        assert (described.uid, described.session) == (os.getuid(), process.pid)
        assert whereabouts(described) == "here"
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert psutil.Process(process.pid).status() == psutil.STATUS_ZOMBIE
        assert whereabouts(described) == "gone"
        process.wait()
        assert whereabouts(described) == "gone"


@pytest.mark.parametrize(
    "changes", [{"started": -3600.0}, {"uid": 1}, {"session": 1}], ids=["start", "user", "session"]
)
def test_a_later_process_with_the_same_number_is_another_one(changes: dict[str, float]) -> None:
    own = describe(os.getpid())
    other = own.model_copy(update={name: getattr(own, name) + change for name, change in changes.items()})
    assert whereabouts(own) == "here" and whereabouts(other) == "gone"


def test_the_clock_of_the_boot_may_be_read_a_second_later() -> None:
    own = describe(os.getpid())
    assert whereabouts(own.model_copy(update={"started": own.started + 1.0})) == "here"


@pytest.mark.parametrize("changes", [{"host": "elsewhere"}, {"boot": "another"}], ids=["host", "boot"])
def test_a_process_of_another_machine_is_neither_here_nor_gone(changes: dict[str, str], monkeypatch) -> None:
    monkeypatch.setattr(processes, "boot", lambda: "this")
    own = describe(os.getpid())
    assert own.boot == "this"
    for pid in (own.pid, 2**22 + 1):
        assert whereabouts(own.model_copy(update={**changes, "pid": pid})) == "elsewhere"


def test_a_process_from_before_the_boot_of_this_machine_is_gone(monkeypatch) -> None:
    monkeypatch.setattr(processes, "boot", lambda: "this")
    own = describe(os.getpid()).model_copy(update={"boot": "earlier", "started": psutil.boot_time() - 100})
    assert whereabouts(own) == "gone"


def test_a_record_of_an_earlier_version_is_compared_by_what_it_knows() -> None:
    own = describe(os.getpid())
    old = Process(pid=own.pid, started=own.started, host=own.host)
    assert (old.boot, old.uid, old.session) == ("", None, None) and whereabouts(old) == "here"


@pytest.mark.parametrize("pid", [-1, 0, -(2**31), 2**31, 2**63, 10**30, "12", 12.0, True, None, [1]])
def test_a_number_that_no_process_has_is_refused(pid: object) -> None:
    own = describe(os.getpid()).model_dump()
    assert Process.model_validate(own).pid == os.getpid()
    with pytest.raises(ValidationError, match="pid"):
        Process.model_validate(own | {"pid": pid})


def test_the_first_process_of_this_machine_is_not_that_of_a_record_that_names_its_number() -> None:
    forged = describe(os.getpid()).model_copy(update={"pid": 1})
    assert whereabouts(forged) == "gone"


def test_a_system_that_does_not_name_its_boots_leaves_the_host(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(processes, "_BOOT_ID", tmp_path / "none")
    processes.boot.cache_clear()
    try:
        assert processes.boot() == "" and whereabouts(describe(os.getpid())) == "here"
    finally:
        processes.boot.cache_clear()


def test_the_command_line_of_the_parent_is_read_from_the_system(monkeypatch) -> None:
    with sleeping("sleep", "61") as process:
        monkeypatch.setattr(os, "getppid", lambda: process.pid)
        assert processes.words_of_parent() == ["sleep", "61"]
    assert processes.words_of_parent() == []
