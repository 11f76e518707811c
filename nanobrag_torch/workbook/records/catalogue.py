"""Catalogue of every kind of record: those of the package, and those of the investigations at hand."""

from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from nanobrag_torch.workbook import files, investigations, project
from nanobrag_torch.workbook.errors import InputError
from nanobrag_torch.workbook.records import (
    agreement,
    base,
    benchmark,
    diagnosis,
    evidence,
    parity,
    refinement,
    run,
    sweep,
    triage,
)
from nanobrag_torch.workbook.records.base import KIND, Record

#: Modules of the package whose records are registered by being imported.
_OURS = (agreement, benchmark, diagnosis, evidence, parity, refinement, run, sweep, triage)


def kinds() -> dict[str, type[Record]]:
    """Kind of record by the name of its file; where investigations share a name, the first that was loaded."""
    return {name: found[0] for name, found in _registered().items()}


def declared(root: Path) -> dict[str, tuple[type[Record], ...]]:
    """Kinds of record that a file may hold by its name, with those of the investigations of a project."""
    problems(root)
    return base.registered()


def schema(kind: type[Record]) -> dict[str, Any]:
    """JSON schema of the files of a kind; empty where it fails to give one."""
    try:
        return dict(kind.schema_of_file())
    except Exception:
        # The record of an investigation may raise anything.
        return {}


def claims(code: str) -> tuple[str, ...]:
    """Expressions over key numbers that a run with this finding must bear out."""
    problems(project.root())
    return base.claims(code)


@cache
def problems(root: Path) -> tuple[str, ...]:
    """Register the records of the investigations of a project; faults of those that cannot be are returned in words."""
    found = []
    for name in investigations.with_records(root):
        try:
            with base.registering():
                investigations.investigation(name, investigations.RECORDS, root)
        except InputError as error:
            found.append(str(error))
    return tuple(found)


def read(file: Path, content: bytes | None = None) -> Record | None:
    """Record in a JSON file of a report, by its name or by what it says itself; None for any other JSON.

    Of the kinds that investigations have declared under one name, it is the one that can read the file: a report that
    came from elsewhere may have records that are not declared here.

    Args:
        file: path of the file.
        content: its content, where that has been read already.

    Raises:
        Unreadable: the file is no JSON, or a record of the package that cannot be read as one.
    """
    content = files.read(file) if content is None else content
    known = _registered()
    candidates = known.get(file.name, ())
    if not candidates:
        data = files.parsed(content, not_finite=file.suffix == ".ipynb")
        kind = data.get(KIND) if isinstance(data, dict) else None
        candidates = known.get(f"{kind}.json", ()) if isinstance(kind, str) else ()
    if candidates and base.is_ours(candidates[0]):
        return files.record(content, candidates[0])
    for kind in candidates:
        with suppress(files.Unreadable):
            return files.record(content, kind)
    files.parsed(content, not_finite=file.suffix == ".ipynb")
    return None


def kind_of(file: Path) -> type[Record] | None:
    """Kind of the record in a file; None for any other JSON, and for what cannot be read."""
    with suppress(files.Unreadable):
        record = read(file)
        return None if record is None else type(record)
    return None


def _registered() -> dict[str, tuple[type[Record], ...]]:
    problems(project.root())
    return base.registered()
