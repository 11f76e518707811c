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


def checksums(folder: Path, without: tuple[str, ...] = ()) -> dict[str, str]:
    """Relative path to SHA-256 for every visible file below ``folder`` except those named in ``without``."""
    found = (path for path in sorted(folder.rglob("*")) if path.is_file() and not path.name.startswith("."))
    named = {path.relative_to(folder).as_posix(): path for path in found}
    return {name: sha256(path) for name, path in named.items() if name not in without}
