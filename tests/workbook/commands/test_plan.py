"""Taking a whole investigation that comes with the package into a project."""

from pathlib import Path

import pytest
from workbook.commands.test_init import ended

from nanobrag_torch.workbook import project


def test_a_shipped_investigation_is_copied_whole_and_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert ended("plan", "copy", "gradient-flow") == 0
    assert capsys.readouterr().out.split() == [
        "plans/gradient-flow.md",
        "plans/gradient-flow",
        "notebooks/gradient_flow",
    ]
    for folder in ("plans/gradient-flow", "notebooks/gradient_flow"):
        source = {path.name for path in (project.shipped() / folder).iterdir() if path.name != "__pycache__"}
        assert {path.name for path in (tmp_path / folder).iterdir()} == source
    assert ended("plan", "copy", "gradient-flow") == 2
    assert "Nothing was copied" in capsys.readouterr().err
    assert ended("plan", "status", "gradient-flow") == 0


def test_a_plan_that_does_not_come_with_the_package_is_refused_with_those_that_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert ended("plan", "copy", "mine") == 2
    assert "allowed: gradient-flow" in capsys.readouterr().err and list(tmp_path.iterdir()) == []


def test_outside_a_project_a_plan_is_not_found_and_init_is_offered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for words in (("plan", "status", "mine"), ("plan", "run", "mine"), ("ledger",), ("index",)):
        assert ended(*words) == 2
        assert "nanobrag-workbook init" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
