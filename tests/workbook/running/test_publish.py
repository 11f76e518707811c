"""Reports of runs that were killed, finished by a later command."""

import json
import os
import platform
import subprocess
from pathlib import Path

import pytest
from filelock import FileLock
from finished import finished
from samples import working_report

from nanobrag_torch.workbook.ledger.index import write
from nanobrag_torch.workbook.ledger.ledger import Books
from nanobrag_torch.workbook.machine import processes
from nanobrag_torch.workbook.machine.family import marked, new_mark
from nanobrag_torch.workbook.records.run import Owner
from nanobrag_torch.workbook.report import archive
from nanobrag_torch.workbook.report.folder import verify
from nanobrag_torch.workbook.running import publish
from nanobrag_torch.workbook.running.publish import finish_orphans


def of_a_killed_run(reports: Path, **changes: object):
    """The working folder of a run whose process is dead."""
    process = subprocess.Popen(["sleep", "60"], start_new_session=True)
    described = processes.describe(process.pid)
    process.kill()
    process.wait()
    return working_report(reports, process=described, **changes)


def test_the_report_of_a_killed_run_is_finished_as_interrupted(tmp_path: Path) -> None:
    report = of_a_killed_run(tmp_path)
    ((name, said),) = finish_orphans(tmp_path, tmp_path)
    assert name == "20260115T080000Z" and said == f"finished as {report.final}"
    assert (report.final / "status").read_text() == "interrupted\n" and verify(report.final) == []
    assert "was killed before it could finish" in (report.final / "summary.md").read_text()
    assert not report.folder.exists() and list(finish_orphans(tmp_path, tmp_path)) == []


def test_a_test_that_outlived_its_run_is_ended_with_the_report(tmp_path: Path) -> None:
    of_a_killed_run(tmp_path, mark=(mark := new_mark()))
    outlived = subprocess.Popen(["sleep", "60"], env=marked(os.environ, mark), start_new_session=True)
    assert len(list(finish_orphans(tmp_path, tmp_path))) == 1
    assert outlived.wait(10) == -9


def test_a_report_is_not_finished_while_a_process_of_its_run_cannot_be_ended(tmp_path, monkeypatch) -> None:
    report = of_a_killed_run(tmp_path)
    monkeypatch.setattr(publish, "end_after_death", lambda mark: [17, 18])
    ((_, said),) = finish_orphans(tmp_path, tmp_path)
    assert said.startswith("cannot be finished: its processes 17, 18 do not end") and report.folder.is_dir()


def copied(reports: Path, **changes: object) -> Path:
    """The working folder of a run with a record of its process that was changed behind its back."""
    report = of_a_killed_run(reports)
    record = json.loads((report.folder / Owner.file).read_text())
    record["process"] |= changes
    (report.folder / Owner.file).write_text(json.dumps(record))
    return report.folder


@pytest.mark.parametrize("boot", [None, "another"])
def test_a_run_on_another_machine_is_neither_finished_nor_called_dead(tmp_path, boot) -> None:
    elsewhere = {"host": "node17"} if boot is None else {"boot": boot, "host": platform.node()}
    folder = copied(tmp_path, **elsewhere)
    ((name, said),) = finish_orphans(tmp_path, tmp_path)
    assert (name, said) == ("20260115T080000Z", f"left alone: running on {elsewhere['host']}")
    (run,) = archive.scan(tmp_path)
    assert folder.is_dir() and (run.status, run.problem) == ("running", f"running on {elsewhere['host']}")


@pytest.mark.parametrize("pid", [-1, 0, -77, 2**31, 10**30, "12", 12.5, None])
def test_a_record_that_names_no_process_is_refused_and_told(tmp_path, pid, monkeypatch) -> None:
    folder = copied(tmp_path, pid=pid)
    signals = []
    monkeypatch.setattr(os, "kill", lambda *words: signals.append(words))
    monkeypatch.setattr(os, "killpg", lambda *words: signals.append(words))
    ((name, said),) = finish_orphans(tmp_path, tmp_path)
    assert name == folder.name and said == "left alone: no record of its run (.run.json) that can be read"
    assert folder.is_dir() and signals == []


def test_a_record_that_names_the_number_of_a_stranger_ends_nobody(tmp_path) -> None:
    stranger = subprocess.Popen(["sleep", "60"], start_new_session=True)
    try:
        described = processes.describe(stranger.pid)
        folder = copied(tmp_path, pid=stranger.pid, started=described.started - 100, session=stranger.pid)
        # The note of earlier versions is data that nothing reads.
        (folder / ".process.json").write_text(described.to_json())
        ((_, said),) = finish_orphans(tmp_path, tmp_path)
        assert said.startswith("finished as ") and stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_folder_without_the_record_of_a_run_is_told_and_is_no_run(tmp_path) -> None:
    finished(tmp_path)
    half = tmp_path / "2026-01-gradient-flow" / "phase_a" / ".20260115T080000Z.running"
    half.mkdir()
    (half / "pytest.xml").write_text("<half")
    assert list(finish_orphans(tmp_path, tmp_path)) == [
        (half.name, "left alone: no record of its run (.run.json) that can be read")
    ]
    books = Books(tmp_path, tmp_path)
    assert [run.status for run in books.runs] == ["passed"]
    told = [found.what for found in books.ledger().contradictions if found.kind == "unreadable"]
    assert told == [
        f"{half.relative_to(tmp_path)} holds no record of the run that wrote it, and is left out. Look at it, and "
        "delete it."
    ]
    assert half.name in write(tmp_path, tmp_path).read_text()


def test_the_report_of_a_run_that_lives_is_left_alone(tmp_path: Path) -> None:
    report = working_report(tmp_path)
    assert list(finish_orphans(tmp_path, tmp_path)) == [] and report.folder.is_dir()


def test_a_folder_without_reports_has_nothing_to_finish(tmp_path: Path) -> None:
    assert list(finish_orphans(tmp_path / "none", tmp_path)) == []
    assert not (tmp_path / "none").exists()


def test_one_process_at_a_time_finishes_reports(tmp_path: Path) -> None:
    report = of_a_killed_run(tmp_path)
    with FileLock(tmp_path / ".finishing.lock"):
        assert list(finish_orphans(tmp_path, tmp_path)) == []
    assert report.folder.is_dir()


def test_a_report_that_cannot_be_finished_is_told_and_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_a_killed_run(tmp_path)
    of_a_killed_run(tmp_path, stamp="20260115T090000Z")
    gather = publish.page.gather

    def full_disk_once(report, *rest):
        if report.final.name == "20260115T080000Z":
            raise OSError("No space left on device")
        return gather(report, *rest)

    monkeypatch.setattr(publish.page, "gather", full_disk_once)
    told = dict(finish_orphans(tmp_path, tmp_path))
    assert told["20260115T080000Z"] == "cannot be finished: No space left on device"
    assert told["20260115T090000Z"].startswith("finished as ")
