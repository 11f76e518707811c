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
    """Kind of record by the name of its file; where investigations share a name, the first that was loaded."""
    return {name: found[0] for name, found in _registered().items()}


def claims(code: str) -> tuple[str, ...]:
    """Expressions over key numbers that a run with this finding must bear out."""
    problems(project.root())
    return base.claims(code)


@cache
def problems(root: Path) -> tuple[str, ...]:
    """Register the records of the investigations of a project; faults of those that cannot be are returned in words."""
    return tuple(investigations.load_records(root, base.registering))


def kind_of(file: Path) -> type[Record] | None:
    """Kind of record that a file of a report holds, by its name or by what it says itself; None for any other JSON.

    Of the kinds that investigations have declared under one name, it is the one that can read the file: a report that
    came from elsewhere may have records that are not declared here.
    """
    known = _registered()
    candidates = known.get(file.name, ())
    if not candidates and file.suffix == ".json":
        try:
            data = json.loads(file.read_bytes())
        except (OSError, ValueError, RecursionError):
            return None
        kind = data.get(KIND) if isinstance(data, dict) else None
        candidates = known.get(f"{kind}.json", ()) if isinstance(kind, str) else ()
    if not candidates or base.is_ours(candidates[0]):
        return candidates[0] if candidates else None
    return next((kind for kind in candidates if _reads(kind, file)), None)


def _reads(kind: type[Record], file: Path) -> bool:
    try:
        kind.model_validate_json(file.read_bytes())
    except Exception:
        # A validator of an investigation may raise anything.
        return False
    return True


def _registered() -> dict[str, tuple[type[Record], ...]]:
    problems(project.root())
    return base.registered()
