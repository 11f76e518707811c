"""State of the source that a run belongs to: commit, branch and uncommitted changes."""

import subprocess
from pathlib import Path

from nanobrag_torch.workbook.records.run import Repository


def state(folder: Path) -> Repository:
    """Commit, branch and uncommitted changes of the project in ``folder``; all null without git or a history."""
    commit = _git(folder, "rev-parse", "HEAD")
    if commit is None:
        return Repository(commit=None, branch=None, dirty=None)
    changed = _git(folder, "status", "--porcelain") or ""
    return Repository(
        commit=commit.strip(),
        branch=(_git(folder, "rev-parse", "--abbrev-ref", "HEAD") or "").strip() or None,
        dirty=bool(changed.strip()),
        changed=tuple(line[3:] for line in changed.splitlines()),
    )


def _git(folder: Path, *words: str) -> str | None:
    try:
        done = subprocess.run(["git", *words], cwd=folder, capture_output=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.decode(errors="backslashreplace")


def unchanged_since(folder: Path, then: Repository, moment: float) -> bool:
    """Tell whether the source is the one of ``then``: same commit, same changed files, none written after ``moment``.

    ``moment`` is in seconds since 1970. Without git the answer is False, since nothing is known.
    """
    present = state(folder)
    if present.commit is None or (present.commit, present.changed) != (then.commit, then.changed):
        return False
    return all(_written(folder / name.strip('"')) < moment for name in present.changed)


def _written(path: Path) -> float:
    """Time of writing of a file, or of the last file of a folder, in seconds since 1970; 0 for a deleted one."""
    below = path.rglob("*") if path.is_dir() else iter(())
    return max((each.stat().st_mtime for each in (path, *below) if each.is_file()), default=0.0)
