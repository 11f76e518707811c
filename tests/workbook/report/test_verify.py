import json
import os
from pathlib import Path

import pytest
from finished import PNG, alter, fill, finished
from samples import VERDICT, evidence, owner, working_report

from nanobrag_torch.workbook import files
from nanobrag_torch.workbook.errors import InputError
from nanobrag_torch.workbook.records.base import KeyNumber
from nanobrag_torch.workbook.records.run import Manifest, ParameterValue, Verdict
from nanobrag_torch.workbook.report import file_checks as readable
from nanobrag_torch.workbook.report import verify as verification
from nanobrag_torch.workbook.report.folder import Report
from nanobrag_torch.workbook.running.publish import publish


def rehash(folder: Path) -> None:
    """Make the manifest agree with the files as they are: a forgery that hashes alone cannot see."""
    alter(folder / "manifest.json", files=files.checksums(folder, without=("manifest.json",)))


def test_a_finished_report_is_as_its_manifest_says(tmp_path: Path):
    assert verification.verify(finished(tmp_path)) == []


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("control.json", b"{}", "control.json was changed"),
        ("figures/image.png", PNG[:40], "figures/image.png was changed"),
        ("report.html", b"<p>", "report.html was changed"),
        ("added.txt", b"x", "added.txt is not in the manifest"),
    ],
)
def test_what_was_changed_is_named(tmp_path: Path, name: str, content: bytes, said: str):
    folder = finished(tmp_path)
    (folder / name).write_bytes(content)
    assert said in verification.verify(folder)


def test_what_is_missing_is_named(tmp_path: Path):
    folder = finished(tmp_path)
    (folder / "summary.md").unlink()
    assert verification.verify(folder) == ["summary.md is missing"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("control.json", b"{}"),
        ("notebook.ipynb", b'{"cells": 3, "nbformat": 4, "nbformat_minor": 5, "metadata": {}}'),
        ("figures/image.png", PNG[:40]),
        ("figures/image.svg", b"<svg>"),
        ("pytest.xml", b"<testsuite>"),
        ("summary.md", b"\xff"),
        ("report.html", b"\xff"),
    ],
)
def test_a_file_that_is_hashed_but_cannot_be_read_is_named(tmp_path: Path, name: str, content: bytes):
    folder = finished(tmp_path)
    (folder / name).write_bytes(content)
    rehash(folder)
    problems = verification.verify(folder)
    assert any(each.startswith(f"{name} cannot be read") for each in problems), problems
    assert not any("was changed" in each for each in problems)


def test_a_number_that_the_records_do_not_give_is_named(tmp_path: Path):
    folder = finished(tmp_path)
    numbers = json.loads((folder / "manifest.json").read_text())["numbers"]
    numbers["control.loss"]["value"] = 984.25
    alter(folder / "manifest.json", numbers=numbers)
    assert verification.verify(folder) == ["manifest.json: control.loss is not what the records give"]
    alter(folder / "control.json", loss=984.25)
    rehash(folder)
    numbers["control.loss"]["scale"] = 984.25
    alter(folder / "manifest.json", numbers=numbers)
    assert verification.verify(folder) == []


def test_a_gradient_and_an_error_bar_that_are_no_numbers_are_what_the_records_give(tmp_path: Path):
    report = working_report(tmp_path)
    fill(report)
    found = evidence("control", 100.0, *["agrees"] * 6)
    first = found.derivatives[0].model_copy(update={"gradient": float("nan"), "error_bar": float("nan")})
    report.write(found.model_copy(update={"derivatives": (first, *found.derivatives[1:])}), "control.json")
    folder = publish(report, VERDICT, tmp_path)
    assert verification.verify(folder) == []
    numbers = json.loads((folder / "manifest.json").read_text())["numbers"]
    numbers[next(name for name in numbers if name.startswith("control.gradient."))]["value"] = 0.0
    alter(folder / "manifest.json", numbers=numbers)
    assert len(verification.verify(folder)) == 1


def test_a_log_may_hold_anything():
    assert readable.problem("pytest.log", b"\xff\x00") == ""
    assert readable.problem("exit_code.txt", b"\xff") != ""


def test_every_report_below_a_folder_is_found(tmp_path: Path):
    folders = [finished(tmp_path, phase=f"phase_{letter}") for letter in "ab"]
    assert verification.folders(tmp_path) == folders and verification.folders(folders[0]) == folders[:1]
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="the folder of a report, or one above it"):
        verification.folders(tmp_path / "empty")


def strange(folder: Path) -> dict[str, object]:
    """What may stand in a report beside files, by its name."""
    return {
        "link.txt": lambda path: path.symlink_to("/etc/passwd"),
        "figures/nowhere.png": lambda path: path.symlink_to("nowhere"),
        "elsewhere": lambda path: path.symlink_to("/etc"),
        "pipe": os.mkfifo,
        ".hidden": lambda path: path.write_text("x"),
        ".folder/hidden.txt": lambda path: path.parent.mkdir() or path.write_text("x"),
        ".part.unfinished": lambda path: path.write_text("x"),
        "odd\udcff.txt": lambda path: path.write_text("x"),
    }


@pytest.mark.parametrize("name", strange(Path()))
@pytest.mark.timeout(20)
def test_what_does_not_belong_into_a_report_is_named_and_never_followed_or_waited_for(tmp_path: Path, name: str):
    folder = finished(tmp_path)
    strange(folder)[name](folder / name)
    (problem,) = verification.verify(folder)
    assert problem.startswith(name.replace("\udcff", "\\udcff") + " ")


@pytest.mark.parametrize("name", ["manifest.json", "summary.md", "status", "control.json", "report.html"])
@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/etc/passwd")], ids=["pipe", "link"])
@pytest.mark.timeout(20)
def test_a_file_that_became_a_pipe_or_a_link_is_named(tmp_path: Path, name: str, make):
    folder = finished(tmp_path)
    (folder / name).unlink()
    make(folder / name)
    assert verification.folders(tmp_path) == [folder]
    problems = verification.verify(folder)
    assert any(each.startswith(name) for each in problems)
    assert all("control.loss" in each or name in each for each in problems if name == "summary.md")


def test_a_file_that_its_manifest_lists_and_that_is_hidden_belongs_to_the_report(tmp_path: Path):
    report = working_report(tmp_path)
    report.write_text(".notes.txt", "mine")
    assert verification.verify(report.finish(VERDICT)) == []


@pytest.mark.parametrize("where", [0.03, 0.2, 0.5, 0.8, 0.97])
def test_a_manifest_that_was_changed_anywhere_is_not_what_its_digest_says(tmp_path: Path, where: float):
    path = finished(tmp_path) / "manifest.json"
    content = bytearray(path.read_bytes())
    spot = next(place for place in range(int(where * len(content)), len(content)) if chr(content[place]).isalnum())
    content[spot] ^= 1
    path.write_bytes(content)
    assert any(each.startswith("manifest.json ") for each in verification.verify(path.parent))


@pytest.mark.parametrize(("old", "new"), [("1e-05", "1E-05"), ('"schema_version": 3', '"schema_version": 1')])
def test_another_text_of_the_same_numbers_is_another_manifest(tmp_path: Path, old: str, new: str):
    parameters = {"floor": ParameterValue(value=1e-5, unit="", source="plan")}
    path = finished(tmp_path, parameters=parameters) / "manifest.json"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    assert verification.verify(path.parent) == ["manifest.json was changed: its own digest is another"]


def test_a_manifest_without_its_digest_or_of_a_version_to_come_is_named(tmp_path: Path):
    path = finished(tmp_path) / "manifest.json"
    whole = json.loads(path.read_text())
    path.write_text(json.dumps({name: value for name, value in whole.items() if name != "digest"}))
    assert verification.verify(path.parent) == ["manifest.json was changed: its own digest is another"]
    path.write_text(json.dumps(whole | {"schema_version": 4}))
    assert "version 4 is not one that is known here, 1 to 3" in verification.verify(path.parent)[0]


def test_a_report_of_before_key_numbers_had_units_can_be_read(tmp_path: Path):
    path = finished(tmp_path) / "manifest.json"
    manifest = Manifest.model_validate_json(path.read_text())
    assert any(number.error is not None and number.unit for number in manifest.numbers.values())
    bare = {name: KeyNumber(value=entry.value, scale=entry.scale) for name, entry in manifest.numbers.items()}
    for version, faults in ((2, 0), (3, sum(bare[name] != entry for name, entry in manifest.numbers.items()))):
        path.write_text(manifest.model_copy(update={"schema_version": version, "numbers": bare}).to_json())
        assert len(verification.verify(path.parent)) == faults, version


def test_a_report_of_before_there_were_digests_can_be_read(tmp_path: Path):
    path = finished(tmp_path) / "manifest.json"
    whole = json.loads(path.read_text()) | {"schema_version": 1}
    path.write_text(json.dumps({name: value for name, value in whole.items() if name != "digest"}))
    assert verification.verify(path.parent) == []


@pytest.mark.parametrize(
    ("name", "changes", "said"),
    [
        ("verdict.json", {"code": "healthy"}, "verdict.json differs from the manifest's: it says passed, healthy"),
        ("verdict.json", {"sentence": "All lit."}, "verdict.json differs from the manifest's"),
        ("environment.json", {"device": "cuda"}, "environment.json differs from the manifest's"),
        ("control.json", {"loss": 1.0}, "manifest.json: control.loss is not what the records give"),
        ("manifest.json", {"status": "failed"}, "manifest.json: its status is failed, that of its verdict passed"),
        ("manifest.json", {"environment": None}, "environment.json differs from the manifest's"),
    ],
)
def test_what_stands_twice_must_agree_even_where_every_checksum_does(tmp_path: Path, name, changes, said):
    report = working_report(tmp_path)
    fill(report)
    report.write(VERDICT)
    folder = report.finish(VERDICT)
    assert verification.verify(folder) == []
    alter(folder / name, **changes)
    rehash(folder)
    assert any(each.startswith(said) for each in verification.verify(folder))


def test_the_record_of_the_verdict_is_that_of_the_run_and_what_the_notebook_stated_stands_beside_it(tmp_path: Path):
    report = working_report(tmp_path)
    report.write(VERDICT)
    stopped = VERDICT.model_copy(update={"code": "cell_raised", "status": "failed"})
    folder = publish(report, stopped, tmp_path)
    assert verification.verify(folder) == []
    assert Report(folder).read(Verdict) == stopped
    assert Report(folder).read(Verdict, "stated_verdict.json") == VERDICT


def test_a_record_of_the_run_that_was_left_behind_must_be_of_this_report(tmp_path: Path):
    folder = finished(tmp_path)
    (folder / ".run.json").write_text(owner().to_json())
    assert verification.verify(folder) == []
    (folder / ".run.json").write_text(owner(stamp="20260115T090000Z").to_json())
    assert verification.verify(folder) == [".run.json belongs to another report"]
    (folder / ".run.json").write_bytes(b"\xff")
    assert verification.verify(folder) == [".run.json cannot be read: byte 0xff in line 1 is not UTF-8"]


def test_a_report_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = finished(tmp_path)
    opened: list[str] = []
    read, sha256 = files.read, files.sha256
    monkeypatch.setattr(files, "read", lambda path, *a: opened.append(path.name) or read(path, *a))
    monkeypatch.setattr(files, "sha256", lambda path: opened.append(path.name) or sha256(path))
    assert verification.verify(folder) == []
    # The word in status is held against the manifest after it was hashed.
    assert sorted(opened) == sorted([path.name for path in files.names(folder).values()] + ["status"])


def test_links_and_pipes_that_a_run_made_give_way_to_a_text_that_says_so(tmp_path: Path):
    report = working_report(tmp_path)
    (report.folder / "latest.txt").symlink_to("/etc/passwd")
    os.mkfifo(report.folder / "pipe")
    folder = publish(report, VERDICT, tmp_path)
    assert verification.verify(folder) == []
    assert (folder / "latest.txt.damaged").read_text() == "a link to /etc/passwd\n"
    assert (folder / "pipe.damaged").read_text() == "a pipe\n"
