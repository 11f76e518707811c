"""Files that are whole or absent, and their checksums."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

#: Ends the name of a file that is being written; a reader never takes it for a result.
UNFINISHED = ".unfinished"


def write(path: Path, content: str | bytes) -> None:
    """Write beside and rename into place, so that ``path`` never holds half of ``content``."""
    beside = path.with_name(f".{path.name}{UNFINISHED}")
    beside.write_bytes(content.encode() if isinstance(content, str) else content)
    beside.replace(path)


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def names(folder: Path) -> dict[str, Path]:
    """Every visible file below ``folder`` by its relative path."""
    found = (path for path in sorted(folder.rglob("*")) if path.is_file() and not path.name.startswith("."))
    return {path.relative_to(folder).as_posix(): path for path in found}


def checksums(folder: Path, without: tuple[str, ...] = (), known: Mapping[str, str] | None = None) -> dict[str, str]:
    """SHA-256 of every visible file below a folder by its relative path.

    Args:
        folder: folder of a report.
        without: relative paths that are left out.
        known: checksums of files that have been read already and are not read again.
    """
    known = known or {}
    return {name: known.get(name) or sha256(path) for name, path in names(folder).items() if name not in without}
