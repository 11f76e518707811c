"""A report as one file to send: everything in a zip, or the page alone."""

import io
import os
import zipfile
from pathlib import Path

from nanobrag_torch.workbook import files
from nanobrag_torch.workbook.errors import Blocked, InputError
from nanobrag_torch.workbook.records.run import Owner
from nanobrag_torch.workbook.report import contents
from nanobrag_torch.workbook.report.archive import read
from nanobrag_torch.workbook.report.folder import PAGE

#: Every entry of a zip has this date, so that the same report gives the same bytes.
_DATE = (1980, 1, 1, 0, 0, 0)


def name(folder: Path, suffix: str) -> str:
    """Name of the exported file of a report."""
    run = read(folder.resolve())
    said = run.manifest or run
    return f"{said.initiative}_{said.phase}_{said.stamp}{suffix}"


def export(folder: Path, target: Path) -> Path:
    """Write the report in ``folder`` to ``target``, a .zip or an .html, and return it.

    Raises ``InputError`` where the target exists or is something else, and ``Blocked`` where the report is not as its
    manifest says: what was changed is not sent on.
    """
    if target.suffix not in _FORMS:
        raise InputError.of("export", "output", target.name, " or ".join(_FORMS), "Choose one of the two.")
    if os.path.lexists(target):
        raise InputError.of("export", "output", target.name, "a file that does not exist yet", "Choose another name.")
    problems = contents.read(folder).problems
    if problems:
        raise Blocked(f"{folder.name} is not as its manifest says: {'; '.join(problems)}. It is not exported.")
    try:
        content = _FORMS[target.suffix](folder)
    except files.Unreadable as error:
        raise Blocked(f"{folder.name}: {error}. It is not exported.") from None
    files.write(target, content)
    return target


def _zip(folder: Path) -> bytes:
    stem = name(folder, "")
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for inside, path in files.names(folder).items():
            if inside == Owner.file:
                continue
            entry = zipfile.ZipInfo(f"{stem}/{inside}", _DATE)
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, files.read(path, path.stat().st_size), zipfile.ZIP_DEFLATED)
    return stream.getvalue()


def _page(folder: Path) -> bytes:
    return files.read(folder / PAGE)


_FORMS = {".zip": _zip, ".html": _page}
