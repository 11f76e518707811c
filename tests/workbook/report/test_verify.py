import json
from pathlib import Path

import pytest
from finished import PNG, alter, finished

from nanobrag_torch.workbook import files
from nanobrag_torch.workbook.errors import InputError
from nanobrag_torch.workbook.report import file_checks as readable
from nanobrag_torch.workbook.report import verify as verification


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


def test_a_log_may_hold_anything():
    assert readable.problem("pytest.log", b"\xff\x00") == ""
    assert readable.problem("exit_code.txt", b"\xff") != ""


def test_every_report_below_a_folder_is_found(tmp_path: Path):
    folders = [finished(tmp_path, phase=f"phase_{letter}") for letter in "ab"]
    assert verification.folders(tmp_path) == folders and verification.folders(folders[0]) == folders[:1]
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="the folder of a report, or one above it"):
        verification.folders(tmp_path / "empty")
