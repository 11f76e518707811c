"""State of the source that a run belongs to: commit, branch and uncommitted changes."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

from nanobrag_torch.workbook import project
from nanobrag_torch.workbook.notebooks.source import digest
from nanobrag_torch.workbook.records.run import Repository

#: What opening notebooks and running them leaves in a project; none of it is source.
_LEFT_BEHIND = (f":(exclude,top){project.REPORTS}", ":(exclude,top,glob)**/.ipynb_checkpoints/**")
_NOTEBOOK = ".ipynb"


def state(folder: Path) -> Repository:
    """Commit, branch and uncommitted changes of the project in ``folder``; all null without git or a history.

    Reports are no source, and neither are the outputs of a notebook: one that was opened and run in JupyterLab, and
    says what it said, is unchanged.
    """
    commit = _git(folder, "rev-parse", "HEAD")
    if commit is None:
        return Repository(commit=None, branch=None, dirty=None)
    changed = tuple(_changes(folder))
    return Repository(
        commit=commit.decode().strip(),
        branch=(_git(folder, "rev-parse", "--abbrev-ref", "HEAD") or b"").decode(errors="backslashreplace").strip()
        or None,
        dirty=bool(changed),
        changed=changed,
    )


def person(folder: Path) -> tuple[str, str] | None:
    """Name and e-mail address in git's configuration, as it is in ``folder``; None where it has no name."""
    name = _word(folder, "config", "user.name")
    return (name, _word(folder, "config", "user.email")) if name else None


def unchanged_since(folder: Path, then: Repository, moment: float) -> bool:
    """Tell whether the source is the one of ``then``: same commit, same changed files, none written after ``moment``.

    ``moment`` is in seconds since 1970. Notebooks are written whenever they are run, so their times say nothing; the
    one of a run is compared by its digest. Without git the answer is False, since nothing is known.
    """
    present = state(folder)
    if present.commit is None or (present.commit, present.changed) != (then.commit, then.changed):
        return False
    return all(written(folder / name) < moment for name in present.changed if not name.endswith(_NOTEBOOK))


def _changes(folder: Path) -> Iterator[str]:
    """Files and folders whose source is not that of the commit, as seen from ``folder``."""
    listed = _git(folder, "status", "--porcelain", "-z", "--no-renames", "--", ".", *_LEFT_BEHIND) or b""
    top = _word(folder, "rev-parse", "--show-prefix")
    for entry in filter(None, listed.split(b"\0")):
        # A name that is no UTF-8 is written with escapes, here as everywhere in a report.
        name = entry[3:].decode("utf-8", "backslashreplace").removeprefix(top)
        if not (name.endswith(_NOTEBOOK) and _same_source(folder, name)):
            yield name


def _same_source(folder: Path, name: str) -> bool:
    """Tell whether a notebook differs from the commit in what a run leaves, and in nothing else."""
    committed = _git(folder, "show", f"HEAD:./{name}")
    try:
        return committed is not None and digest(committed) == digest((folder / name).read_bytes())
    except OSError:
        return False


def _word(folder: Path, *words: str) -> str:
    """One word of git; empty where it has none."""
    return (_git(folder, *words) or b"").decode(errors="backslashreplace").strip()


def _git(folder: Path, *words: str) -> bytes | None:
    try:
        done = subprocess.run(["git", *words], cwd=folder, capture_output=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout


def written(path: Path) -> float:
    """Time of writing of a file, or of the last file of a folder, in seconds since 1970; 0 for a deleted one."""
    below = path.rglob("*") if path.is_dir() else iter(())
    return max((each.stat().st_mtime for each in (path, *below) if each.is_file()), default=0.0)
