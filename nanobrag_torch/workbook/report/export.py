"""A report as one file to send: everything in a zip, as a research object too, or the page alone."""

import hashlib
import io
import json
import os
import re
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from nanobrag_torch.workbook import files
from nanobrag_torch.workbook.errors import Blocked, InputError
from nanobrag_torch.workbook.records.run import Manifest, Owner
from nanobrag_torch.workbook.report import contents
from nanobrag_torch.workbook.report.archive import read
from nanobrag_torch.workbook.report.crate import Crate, metadata
from nanobrag_torch.workbook.report.folder import PAGE
from nanobrag_torch.workbook.report.lightened import lightened

#: Every entry of a zip has this date, so that the same report gives the same bytes.
_DATE = (1980, 1, 1, 0, 0, 0)
#: Most bytes of a name without its suffix: file systems allow 255 in all.
_LONGEST = 200
#: Largest page that is exported alone, in bytes: it goes through by e-mail.
MOST_BY_EMAIL = 5_000_000


def name(folder: Path, suffix: str) -> str:
    """Name of the exported file of a report, which is no path whatever its manifest says."""
    run = read(folder.resolve())
    said = run.manifest or run
    stem = re.sub(r"[^\w.-]+", "-", f"{said.initiative}_{said.phase}_{said.stamp}").lstrip(".-")
    return stem.encode()[:_LONGEST].decode(errors="ignore") + suffix


def export(folder: Path, target: Path, crate: Crate | None = None) -> Path:
    """Write the report in ``folder`` to ``target``, a .zip or an .html, and return it; with ``crate``, as an RO-Crate.

    A page of more than ``MOST_BY_EMAIL`` bytes has its pictures in fewer.

    Raises ``InputError`` where the target exists or is something else, and ``Blocked`` where the report is not as its
    manifest says (what was changed is not sent on), or the page is larger even so.
    """
    allowed = (".zip",) if crate else tuple(_FORMS)
    if target.suffix not in allowed:
        raise InputError.of("export", "output", target.name, " or ".join(allowed), "Give a name that ends so.")
    if os.path.lexists(target):
        raise InputError.of("export", "output", target.name, "a file that does not exist yet", "Choose another name.")
    found = contents.read(folder)
    if found.problems or found.manifest is None:
        raise Blocked(f"{folder.name} is not as its manifest says: {'; '.join(found.problems)}. It is not exported.")
    try:
        content = _crate(folder, found.manifest, crate) if crate else _FORMS[target.suffix](folder)
    except files.Unreadable as error:
        raise Blocked(f"{folder.name}: {error}. It is not exported.") from None
    files.write(target, content)
    return target


def _files(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Name and content of every file of a report that is sent on."""
    for inside, path in files.names(folder).items():
        if inside not in (Owner.file, contents.CRATE, contents.SUMS):
            yield inside, files.read(path, path.stat().st_size)


def _zipped(entries: Iterable[tuple[str, bytes]]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for inside, content in entries:
            entry = zipfile.ZipInfo(inside, _DATE)
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, content, zipfile.ZIP_DEFLATED)
    return stream.getvalue()


def _zip(folder: Path) -> bytes:
    stem = name(folder, "")
    return _zipped((f"{stem}/{inside}", content) for inside, content in _files(folder))


def _crate(folder: Path, manifest: Manifest, crate: Crate) -> bytes:
    """Zip with the files at its top, as archives of research objects expect, and their metadata beside them."""
    held = dict(_files(folder))
    held[contents.SUMS] = "".join(_sum(inside, content) for inside, content in held.items()).encode()
    sizes = {inside: len(content) for inside, content in held.items()}
    described = json.dumps(metadata(manifest, sizes, crate), indent=2, ensure_ascii=False)
    return _zipped([(contents.CRATE, described.encode()), *held.items()])


def _sum(inside: str, content: bytes) -> str:
    """Line of sha256sum, which escapes a name that would be more than one."""
    escaped = inside.replace("\\", r"\\").replace("\n", r"\n").replace("\r", r"\r")
    mark, said = ("\\", escaped) if "\n" in inside or "\r" in inside else ("", inside)
    return f"{mark}{hashlib.sha256(content).hexdigest()}  {said}\n"


def _page(folder: Path) -> bytes:
    page = lightened(files.read(folder / PAGE), MOST_BY_EMAIL)
    if page is None:
        raise Blocked(
            f"{PAGE} is larger than the {MOST_BY_EMAIL / 1e6:g} MB that go by e-mail, even with small pictures. "
            "Export a .zip."
        )
    return page


_FORMS = {".zip": _zip, ".html": _page}
