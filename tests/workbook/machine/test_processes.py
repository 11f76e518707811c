"""Processes that are noted, told apart, and ended with everything that they started."""

import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from nanobrag_torch.workbook.machine import processes
from nanobrag_torch.workbook.records.run import Process


@contextmanager
def sleeping(*words: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process that sleeps and leads a group, ended after the test."""
    process = subprocess.Popen(words or ("sleep", "60"), start_new_session=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def ended(pid: int) -> bool:
    """True once a process is gone or only waits for its parent to notice."""
    deadline = time.monotonic() + 10
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def test_a_process_lives_until_it_is_ended_even_before_its_parent_notices() -> None:
    with sleeping() as process:
        described = processes.describe(process.pid)
        assert (described.pid, described.host) == (process.pid, platform.node())
        assert processes.lives(described)
        processes.end(process.pid)
        assert ended(process.pid) and not processes.lives(described)


def test_a_later_process_with_the_same_number_is_another_one() -> None:
    own = processes.describe(os.getpid())
    assert processes.lives(own)
    assert not processes.lives(own.model_copy(update={"started": own.started - 3600}))


def test_what_a_noted_process_started_ends_with_it_and_the_note_goes(tmp_path: Path) -> None:
    child_of = "import subprocess, time; print(subprocess.Popen(['sleep', '60']).pid, flush=True); time.sleep(60)"
    process = subprocess.Popen([sys.executable, "-c", child_of], start_new_session=True, stdout=subprocess.PIPE)
    with processes.noted(process.pid, tmp_path):
        note = Process.model_validate_json((tmp_path / processes.NOTE).read_text())
        assert process.stdout is not None
        with process.stdout:
            child = int(process.stdout.readline())
        assert note.pid == process.pid and psutil.pid_exists(child)
    assert process.wait() == -9 and ended(child)
    assert not (tmp_path / processes.NOTE).exists()


def test_a_process_that_outlived_its_run_is_found_by_its_note_and_ended(tmp_path: Path) -> None:
    folder = tmp_path / "chunks" / "001"
    folder.mkdir(parents=True)
    with sleeping() as process:
        processes.describe(process.pid).save(folder, processes.NOTE)
        processes.end_noted(tmp_path)
        assert process.wait(10) == -9 and not (folder / processes.NOTE).exists()


def test_a_note_of_another_host_or_of_no_process_ends_nothing_and_goes(tmp_path: Path) -> None:
    with sleeping() as process:
        elsewhere = processes.describe(process.pid).model_copy(update={"host": "elsewhere"})
        elsewhere.save(tmp_path, processes.NOTE)
        (tmp_path / "torn").mkdir()
        (tmp_path / "torn" / processes.NOTE).write_text('{"pid": ')
        processes.end_noted(tmp_path)
        assert process.poll() is None
        assert not list(tmp_path.rglob(processes.NOTE))


def test_ending_a_process_that_has_ended_does_nothing() -> None:
    with sleeping("true") as process:
        process.wait()
        processes.end_group(process.pid)


def test_the_command_line_of_the_parent_is_read_from_the_system(monkeypatch) -> None:
    with sleeping("sleep", "61") as process:
        monkeypatch.setattr(os, "getppid", lambda: process.pid)
        assert processes.words_of_parent() == ["sleep", "61"]
    assert processes.words_of_parent() == []
