import json
import os
from pathlib import Path

import pytest
from samples import VERDICT, owner, working_report

from nanobrag_torch.workbook.errors import Blocked, InputError
from nanobrag_torch.workbook.records.run import EnvironmentRecord, Manifest, Owner
from nanobrag_torch.workbook.report import folder as reports
from nanobrag_torch.workbook.report.folder import Report


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    report = working_report(tmp_path)
    report.write_text("pytest.log", "1 failed\n")
    return report.finish(VERDICT)


def test_a_reader_sees_no_folder_of_that_name_before_the_report_is_whole(tmp_path: Path) -> None:
    report = working_report(tmp_path)
    place = tmp_path / "2026-01-gradient-flow" / "phase_a"
    assert [path.name for path in place.iterdir()] == [".20260115T080000Z.running"]
    assert (report.folder / "status").read_text() == "running\n"
    assert report.finish(VERDICT) == place / "20260115T080000Z"
    assert [path.name for path in place.iterdir()] == ["20260115T080000Z"]


def test_a_finished_report_passes_its_own_check_and_hides_nothing(finished: Path) -> None:
    assert reports.verify(finished) == []
    assert [path.name for path in finished.iterdir() if path.name.startswith(".")] == []
    manifest = json.loads((finished / "manifest.json").read_text())
    assert set(manifest["files"]) == {"status", "environment.json", "pytest.log"}
    assert manifest["environment"]["guards"] == {"CUDA_VISIBLE_DEVICES": "-1"}
    assert manifest["status"] == "passed" == (finished / "status").read_text().strip()


CHANGES = {
    "pytest.log was changed": lambda f: (f / "pytest.log").write_text("1 passed\n"),
    "pytest.log is missing": lambda f: (f / "pytest.log").unlink(),
    "extra.txt is not in the manifest": lambda f: (f / "extra.txt").write_text("x"),
    "environment.json cannot be read": lambda f: (f / "environment.json").write_text("{"),
    "manifest.json is missing": lambda f: (f / "manifest.json").unlink(),
    "manifest.json cannot be read": lambda f: (f / "manifest.json").write_text("{}"),
    "status differs": lambda f: (f / "status").write_text("failed\n"),
}


@pytest.mark.parametrize("problem", CHANGES)
def test_verification_finds_every_kind_of_change(problem: str, finished: Path) -> None:
    CHANGES[problem](finished)
    assert any(line.startswith(problem) for line in reports.verify(finished))


def test_a_report_that_fails_its_own_check_is_not_put_into_place(tmp_path: Path) -> None:
    report = working_report(tmp_path)
    report.write_text("gradients.json", '{"loss": 0.0}')
    with pytest.raises(Blocked, match=r"gradients\.json cannot be read as its record"):
        report.finish(VERDICT)
    assert not report.final.exists() and report.folder.exists()


def test_what_a_killed_run_left_half_written_is_dropped(tmp_path: Path) -> None:
    report = working_report(tmp_path)
    (report.folder / ".gradients.json.unfinished").write_text('{"lo')
    final = report.finish(VERDICT)
    assert not list(final.glob(".*")) and reports.verify(final) == []


def test_a_stamp_is_taken_by_a_finished_report_and_by_one_that_is_being_written(tmp_path: Path) -> None:
    report = working_report(tmp_path)
    for _ in range(2):
        with pytest.raises(InputError, match="stamp: got '20260115T080000Z'"):
            working_report(tmp_path)
        if report.folder.exists():
            report.finish(VERDICT)


def test_a_place_that_cannot_be_written_is_wrong_input(tmp_path: Path) -> None:
    (tmp_path / "reports").write_text("a file")
    with pytest.raises(InputError, match="report, folder"):
        Report.create(tmp_path / "reports", owner())


def test_working_folders_are_found_with_the_run_that_they_belong_to(tmp_path: Path) -> None:
    report = working_report(tmp_path)
    ((found, of_run),) = reports.unfinished(tmp_path)
    assert found.folder == report.folder and of_run is not None and of_run.process.pid == os.getpid()
    (report.folder / Owner.file).unlink()
    ((_, nobody),) = reports.unfinished(tmp_path)
    assert nobody is None


@pytest.mark.parametrize("stamp", ["20260115T080000", "2026-01-15", "20261315T080000Z", "../../x", "20260115T086000Z"])
def test_a_stamp_of_another_form_is_refused(stamp: str) -> None:
    with pytest.raises(InputError, match="YYYYmmddTHHMMSSZ"):
        reports.check_stamp(stamp)


def test_a_new_stamp_is_one() -> None:
    assert reports.check_stamp(reports.new_stamp())


@pytest.mark.parametrize(
    ("session", "words", "name"),
    [
        ("", [], "notebook"),
        ("notebooks/trial/my trial.ipynb", ["papermill", "other.ipynb"], "my_trial"),
        ("", ["papermill", "deep/fit.ipynb", "out.ipynb", "-p", "x", "3"], "fit"),
    ],
)
def test_a_notebook_that_a_person_runs_gets_a_folder_of_its_own_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, session: str, words: list[str], name: str
) -> None:
    (tmp_path / "notebooks" / "trial").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "notebooks" / "trial")
    monkeypatch.setenv("JPY_SESSION_NAME", session)
    monkeypatch.setattr(reports, "words_of_parent", lambda: words)
    monkeypatch.setattr(reports, "new_stamp", lambda: "20260115T080000Z")
    folders = [Report.attach("").folder for _ in range(3)]
    lab = tmp_path / "reports" / "lab" / name
    assert folders == [lab / "20260115T080000Z", lab / "20260115T080000Z-2", lab / "20260115T080000Z-3"]


def test_a_lab_folder_that_cannot_be_made_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "reports").symlink_to("/nowhere/at/all")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="link that leads nowhere"):
        Report.attach("")


def test_a_damaged_record_is_as_good_as_none(tmp_path: Path) -> None:
    report = working_report(tmp_path)
    assert report.read(EnvironmentRecord) is not None
    report.write_text("environment.json", '{"guards": ')
    assert report.read(EnvironmentRecord) is None and report.read(Manifest) is None
