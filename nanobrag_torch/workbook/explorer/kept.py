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
        found = files.read_json(path)
        values, free = {name: float(value) for name, value in found["values"].items()}, set(found["free"])
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
    if list(values) != list(start.values) or not free <= set(values):
        return None
    return State(values, tuple(name for name in values if name in free))


def is_other(path: Path) -> bool:
    """Tell whether there is something in the file that is no state, and that a state would replace."""
    try:
        return path.stat().st_size > 0 and set(files.read_json(path)) != {"values", "free"}
    except OSError:
        return False
    except (ValueError, TypeError):
        return True
