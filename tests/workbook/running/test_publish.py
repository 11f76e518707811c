"""Reports of runs that were killed, finished by a later command."""

import subprocess
from pathlib import Path

import pytest
from filelock import FileLock
from samples import working_report

from nanobrag_torch.workbook.machine import processes
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
    report = of_a_killed_run(tmp_path)
    outlived = subprocess.Popen(["sleep", "60"], start_new_session=True)
    processes.describe(outlived.pid).save(report.folder, processes.NOTE)
    assert len(list(finish_orphans(tmp_path, tmp_path))) == 1
    assert outlived.wait(10) == -9


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
