"""Catalogue of every kind of record: those of the package, and those of the investigations at hand."""

import json
from functools import cache
from pathlib import Path

from nanobrag_torch.workbook import investigations, project
from nanobrag_torch.workbook.records import base, benchmark, diagnosis, evidence, parity, run, triage
from nanobrag_torch.workbook.records.base import KIND, Record

#: Modules of the package whose records are registered by being imported.
_OURS = (benchmark, diagnosis, evidence, parity, run, triage)


def kinds() -> dict[str, type[Record]]:
    """Every kind of record by the names of its files."""
    problems(project.root())
    return base.registered()


def claims(code: str) -> tuple[str, ...]:
    """Expressions over key numbers that a run with this finding must bear out."""
    problems(project.root())
    return base.claims(code)


@cache
def problems(root: Path) -> tuple[str, ...]:
    """Register the records of the investigations of a project; faults of those that cannot be are returned in words."""
    return tuple(investigations.load_records(root))


def kind_of(file: Path) -> type[Record] | None:
    """Kind of record in a file of a report, by its name or the kind that it states; None for any other JSON."""
    known = kinds()
    if file.name in known or file.suffix != ".json":
        return known.get(file.name)
    try:
        data = json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    kind = data.get(KIND) if isinstance(data, dict) else None
    return known.get(f"{kind}.json") if isinstance(kind, str) else None
