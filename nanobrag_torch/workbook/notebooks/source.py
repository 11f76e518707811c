"""The source of a notebook: its bytes as data, and the digest of what a person wrote into it.

Needs no notebook library, so that the state of a repository can be told without one.
"""

import hashlib
import json
from typing import Any


def data(content: bytes) -> Any:
    """JSON data in the bytes of a notebook; a code unit that is no character becomes its escape, as ``\\ud83d``.

    Python takes such an escape in a text for the code unit itself, so that a cell means what it meant; and whatever
    reads or writes the notebook after this meets characters only.

    Raises:
        ValueError: the bytes are no JSON.
        RecursionError: they are nested deeper than any notebook.
    """
    return writable(json.loads(content))


def writable(value: Any) -> Any:
    """Data with every text such that it can be written as UTF-8."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {writable(key): writable(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [writable(entry) for entry in value]
    return value


def digest(content: bytes) -> str:
    """SHA-256, in hexadecimal, of kind, tags and source of every cell of a notebook.

    Outputs, counters and whatever else changes when a notebook is opened or run do not count. Of a file that is no
    notebook every byte counts.
    """
    try:
        cells = [
            (cell["cell_type"], sorted(cell.get("metadata", {}).get("tags", [])), "".join(cell["source"]))
            for cell in json.loads(content)["cells"]
        ]
        content = json.dumps(cells).encode()
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        pass
    return hashlib.sha256(content).hexdigest()
