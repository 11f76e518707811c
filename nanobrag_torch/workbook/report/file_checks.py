"""Checks that a file of a report, other than its records, can still be read as what its name says."""

import json
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import fastjsonschema

from nanobrag_torch.workbook import files


def _notebook(content: bytes) -> None:
    notebook = files.parsed(content, not_finite=True)
    version = (notebook["nbformat"], notebook["nbformat_minor"])
    _notebook_schema(*map(int, version))(notebook)


@cache
def _notebook_schema(major: int, minor: int) -> Callable[[Any], Any]:
    """Validator of a notebook format, from the schema that nbformat ships; importing nbformat itself takes seconds."""
    spec = find_spec("nbformat")
    assert spec is not None and spec.submodule_search_locations
    folder = Path(spec.submodule_search_locations[0]) / f"v{major}"
    schema = folder / f"nbformat.v{major}.{minor}.schema.json"
    if not schema.is_file():
        raise ValueError(f"notebook format {major}.{minor} is not known here")
    return fastjsonschema.compile(json.loads(schema.read_bytes()))


def _png(content: bytes) -> None:
    from nanobrag_torch.workbook.show import pictures  # brings Pillow: only where there is a picture

    pictures.check(content)


def _xml(content: bytes) -> None:
    ElementTree.fromstring(content)


def _text(content: bytes) -> None:
    content.decode()


#: Errors of the readers over a file that is not what its name says; fastjsonschema's are among them.
_UNREADABLE = (ValueError, OSError, SyntaxError, KeyError, TypeError, AttributeError, RecursionError, ArithmeticError)

#: Reader of a file by its suffix; what has another may hold anything, as a log holds whatever was printed.
READERS: dict[str, Callable[[bytes], None]] = {
    ".ipynb": _notebook, ".png": _png, ".svg": _xml, ".xml": _xml, ".html": _text, ".md": _text, ".txt": _text,
}  # fmt: skip


def knows(name: str) -> bool:
    """Tell whether there is a check of files of that name."""
    return Path(name).suffix in READERS


def problem(name: str, content: bytes) -> str:
    """Fault of a file of that name with that content; empty where there is none."""
    reader = READERS.get(Path(name).suffix)
    if reader is None:
        return ""
    try:
        reader(content)
    except _UNREADABLE as error:
        return (str(error).splitlines() or [type(error).__name__])[0][:200]
    return ""
