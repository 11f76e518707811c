"""The present state of an exploration in a file, so that it outlives its kernel."""

import json
from pathlib import Path

from nanobrag_torch.workbook import files
from nanobrag_torch.workbook.explorer.history import State


def keep(path: Path, state: State) -> None:
    """Write a state in place of the one in the file. Raises ``OSError`` where that is not possible."""
    files.write(path, json.dumps({"values": dict(state.values), "free": list(state.free)}).encode())


def kept(path: Path, start: State) -> State | None:
    """The state in the file; None where there is none, or it is not one of the controls of ``start``."""
    try:
        found = json.loads(path.read_bytes())
        values, free = {name: float(value) for name, value in found["values"].items()}, tuple(found["free"])
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
    return State(values, free) if list(values) == list(start.values) and set(free) <= set(values) else None
