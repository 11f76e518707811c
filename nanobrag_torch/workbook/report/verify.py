"""Reports held against their manifests: every file hashed and read again, every key number computed again."""

import os
from pathlib import Path

from nanobrag_torch.workbook import project
from nanobrag_torch.workbook.errors import InputError
from nanobrag_torch.workbook.report import contents


def folders(path: Path) -> list[Path]:
    """The reports at or below ``path``, links not followed. Raises ``InputError`` where there is none."""
    found = sorted(Path(base) for base, below, names in os.walk(path) if project.MANIFEST in (*below, *names))
    if not found and os.path.lexists(path / contents.STATUS):
        return [path]
    if not found:
        raise InputError.of("verify", "path", str(path), "the folder of a report, or one above it", "Check the path.")
    return found


def verify(folder: Path) -> list[str]:
    """Faults of the report in ``folder``, file by file; empty where there is none."""
    return contents.read(folder).problems
