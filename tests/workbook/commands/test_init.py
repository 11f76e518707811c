"""A new project: its files carry the name that the user gave, and nothing is ever replaced."""

import re
from pathlib import Path

import pytest

from nanobrag_torch.workbook.commands.app import run_command
from nanobrag_torch.workbook.notebooks import parameters
from nanobrag_torch.workbook.plans import header

FILES = {
    "notebooks/spot_width/phase_a_baseline.ipynb", "plans/spot-width.md", "plans/spot-width/brief.txt",
    "plans/spot-width/model.py", "plans/spot-width/records.py", "plans/spot-width/test_model.py",
}  # fmt: skip


def ended(*words: str) -> int:
    with pytest.raises(SystemExit) as end:
        run_command(list(words))
    return int(end.value.code or 0)


def written(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_a_project_carries_the_name_of_its_investigation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert ended("init", "mine", "--name", "spot-width") == 0
    project = tmp_path / "mine"
    assert written(project) == FILES and (project / "reports").is_dir()
    assert not any(re.search("first.look", (project / name).read_text(), re.IGNORECASE) for name in FILES)
    plan = header.read("spot-width", project)
    assert plan.header.focus == "SPOT-WIDTH-001" and plan.title == "Spot width"
    assert "width" in parameters.declared(project / "notebooks" / "spot_width" / "phase_a_baseline.ipynb")


def test_a_second_investigation_goes_beside_the_first_and_nothing_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert ended("init") == 0 and ended("init", "--name", "second") == 0
    (tmp_path / "plans" / "second.md").write_text("mine")
    assert ended("init", "--name", "second") == 2
    assert "plans/second.md" in capsys.readouterr().err and (tmp_path / "plans" / "second.md").read_text() == "mine"


@pytest.mark.parametrize("name", ["../up", "Two Words", "", "a_b", "3d", "lab", "a" * 61])
def test_a_name_that_no_plan_can_have_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    assert ended("init", "--name", name) == 2
    assert written(tmp_path) == set()


def test_where_a_file_stands_in_the_way_of_a_folder_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plans").write_text("mine")
    assert ended("init") == 2 and ended("plan", "copy", "gradient-flow") == 2
    assert written(tmp_path) == {"plans"} and "nothing was written" in capsys.readouterr().err


def test_within_a_project_a_new_investigation_goes_to_its_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert ended("init") == 0
    monkeypatch.chdir(tmp_path / "plans")
    assert ended("init", "--name", "second") == 0
    assert (tmp_path / "plans" / "second.md").is_file() and not (tmp_path / "plans" / "plans").exists()
