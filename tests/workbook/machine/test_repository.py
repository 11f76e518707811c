import subprocess
from pathlib import Path

import pytest
from checkouts import make_checkout

from nanobrag_torch.workbook.machine import repository


def git(folder: Path, *words: str) -> None:
    identity = ("-c", "user.name=n", "-c", "user.email=n@example.org", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *identity, *words], cwd=folder, check=True, capture_output=True)


def test_commit_branch_and_changes_are_recorded(tmp_path: Path) -> None:
    checkout = make_checkout(tmp_path)
    git(checkout, "init", "-b", "trial")
    git(checkout, "add", ".")
    git(checkout, "commit", "-m", "begin")
    clean = repository.state(checkout)
    assert clean.branch == "trial" and clean.dirty is False and len(clean.commit or "") == 40
    (checkout / "pyproject.toml").write_text("")
    dirty = repository.state(checkout)
    assert dirty.dirty is True and dirty.changed == ("pyproject.toml",) and dirty.commit == clean.commit


def test_a_folder_that_is_not_under_git_has_no_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    state = repository.state(tmp_path)
    assert (state.commit, state.branch, state.dirty) == (None, None, None)
