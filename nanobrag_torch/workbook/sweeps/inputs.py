"""Files that the target of a sweep consists of, by their content."""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

from nanobrag_torch.workbook import files, project
from nanobrag_torch.workbook.notebooks.source import digest


def today(paths: Iterable[str], root: Path) -> dict[str, str]:
    """SHA-256 of files by their paths from the root of a project; of a notebook, of what a person wrote into it.

    A file that is not there has an empty one.
    """
    return {path: _sha256(project.find(path, root)) for path in paths}


def changed(then: Mapping[str, str], now: Mapping[str, str]) -> str:
    """Words for the files that differ; empty where none does."""
    names = [name for name in {**then, **now} if then.get(name) != now.get(name)]
    return f"{', '.join(names)} changed" if names else ""


def _sha256(path: Path) -> str:
    try:
        content = files.read(path)
    except files.Unreadable:
        return ""
    return digest(content) if path.suffix == ".ipynb" else hashlib.sha256(content).hexdigest()
