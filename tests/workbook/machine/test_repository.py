import json
import os
import subprocess
import time
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


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout whose notebooks are committed, with a report that git does not ignore."""
    folder = make_checkout(tmp_path / "checkout")
    git(folder, "init", "-b", "trial")
    git(folder, "add", ".")
    git(folder, "commit", "-m", "begin")
    return folder


def run_in_lab(notebook: Path, **others: object) -> None:
    """Leave in a notebook, and beside it, what JupyterLab leaves."""
    content = json.loads(notebook.read_text())
    cell = next(cell for cell in content["cells"] if cell["cell_type"] == "code")
    cell.update({"execution_count": 1, "outputs": [{"output_type": "stream", "name": "stdout", "text": "x"}]} | others)
    content["metadata"]["language_info"] = {"name": "python", "version": "3.99"}
    notebook.write_text(json.dumps(content))
    for left in (notebook.parent / ".ipynb_checkpoints" / notebook.name, Path("reports/lab/x/image.png")):
        left = notebook.parents[2] / left
        left.parent.mkdir(parents=True, exist_ok=True)
        left.write_text("left")


def test_opening_and_running_a_notebook_changes_no_source(checkout: Path) -> None:
    then = repository.state(checkout)
    run_in_lab(next(checkout.rglob("phase_a*.ipynb")))
    assert repository.state(checkout) == then and then.changed == ()
    assert repository.unchanged_since(checkout, then, 0.0)


def test_a_notebook_that_says_something_else_is_changed_source(checkout: Path) -> None:
    notebook = next(checkout.rglob("phase_a*.ipynb"))
    run_in_lab(notebook, source="x = 1")
    then = repository.state(checkout)
    assert then.changed == (notebook.relative_to(checkout).as_posix(),) and then.dirty is True
    run_in_lab(notebook, source="x = 1")
    assert repository.unchanged_since(checkout, then, 0.0), "running it again changes no source"
    notebook.unlink()
    assert repository.state(checkout).changed == then.changed


def test_changed_files_of_any_name_are_listed_and_their_times_count(checkout: Path) -> None:
    names = ("ä b.py", "tab\t.py", '"q".py')
    for name in (*names, os.fsdecode(b"half\xff.py")):
        (checkout / name).write_text("")
    then = repository.state(checkout)
    assert set(then.changed) == {*names, "half\\xff.py"}
    assert repository.unchanged_since(checkout, then, time.time() + 60)
    assert not repository.unchanged_since(checkout, then, 0.0)


def test_a_project_below_the_top_of_a_repository_has_its_own_changes_alone(checkout: Path) -> None:
    (checkout / "other.py").write_text("")
    inner = checkout / "notebooks"
    (inner / "own.py").write_text("")
    run_in_lab(next(inner.rglob("phase_a*.ipynb")))
    assert repository.state(inner).changed == ("own.py",)
