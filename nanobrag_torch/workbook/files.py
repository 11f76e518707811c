"""Files that are whole or absent, and their checksums."""

import hashlib
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


def checksums(folder: Path, without: tuple[str, ...] = ()) -> dict[str, str]:
    """Relative path to SHA-256 for every visible file below ``folder`` except those named in ``without``."""
    return {name: sha256(path) for name, path in names(folder).items() if name not in without}
