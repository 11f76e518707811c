"""The notebooks at hand: listed with question and parameters, and copied without replacing anything."""

import json
from pathlib import Path

import pytest
from workbook.commands.test_init import ended

from nanobrag_torch.workbook import project


@pytest.fixture(autouse=True)
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_every_shipped_notebook_is_listed_with_its_question_and_parameters(capsys: pytest.CaptureFixture[str]) -> None:
    assert ended("notebooks", "--json") == 0
    listed = json.loads(capsys.readouterr().out)
    assert set(listed) == set(project.notebooks(Path.cwd())) and "doctor/scenario" in listed
    entry = listed["doctor/scenario"]
    assert entry["question"] == "Are the gradients of this scenario right?"
    assert any(line.startswith("scenario_file: str") for line in entry["parameters"])
    assert ended("notebooks") == 0
    shown = capsys.readouterr().out
    assert all(name in shown and entry["question"] in shown for name, entry in listed.items())


def test_a_file_that_is_no_notebook_is_told_among_the_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "notebooks").mkdir()
    for name, text in (
        ("broken", "{"),
        ("empty", '{"cells": []}'),
        ("list", "[]"),
        ("deep", "[" * 100_000),
        ("blank", '{"cells": [{"cell_type": "markdown", "source": ""}]}'),
    ):
        (tmp_path / "notebooks" / f"{name}.ipynb").write_text(text)
    assert ended("notebooks", "--json") == 0
    listed = json.loads(capsys.readouterr().out)
    assert [listed[name]["parameters"] for name in ("broken", "empty", "list", "deep", "blank")] == [[]] * 5
    assert listed["broken"]["path"] == "notebooks/broken.ipynb" and "cannot be read" in listed["broken"]["question"]


def test_a_copy_brings_the_files_that_its_notebook_reads(tmp_path: Path) -> None:
    assert ended("notebooks", "copy", "any_model") == 0
    copied = {path.name for path in (tmp_path / "notebooks" / "doctor").iterdir()}
    assert copied == {"any_model.ipynb", "models.py", "example.json"}
    shipped = project.shipped() / "notebooks" / "doctor" / "any_model.ipynb"
    assert (tmp_path / "notebooks" / "doctor" / "any_model.ipynb").read_bytes() == shipped.read_bytes()


def test_a_copy_replaces_nothing_and_goes_where_it_is_sent(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "deep" / "own.ipynb"
    assert ended("notebooks", "copy", "doctor/scenario", str(target)) == 0
    target.write_text("mine")
    assert ended("notebooks", "copy", "doctor/scenario", str(target)) == 2
    assert target.read_text() == "mine" and "own.ipynb" in capsys.readouterr().err
    assert ended("notebooks", "copy", "no_such") == 2
    for folder in ("deep", "new/"):
        assert ended("notebooks", "copy", "doctor/scenario", folder) == 0
        assert (tmp_path / folder / "scenario.ipynb").is_file()
