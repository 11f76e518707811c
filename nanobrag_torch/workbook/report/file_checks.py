"""Whether a file of a report, other than its records, can still be read as what its name says."""

import io
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import nbformat
from PIL import Image


def _notebook(content: bytes) -> None:
    nbformat.validate(nbformat.reads(content.decode(), as_version=4))


def _png(content: bytes) -> None:
    Image.open(io.BytesIO(content)).verify()


def _xml(content: bytes) -> None:
    ElementTree.fromstring(content)


def _text(content: bytes) -> None:
    content.decode()


#: What nbformat and Pillow raise when they trip over a file that is not what its name says.
_UNREADABLE = (
    ValueError, OSError, SyntaxError, KeyError, TypeError, AttributeError, nbformat.ValidationError,
    Image.DecompressionBombError,
)  # fmt: skip

#: How a file is read, by its suffix; what has another may hold anything, as a log holds whatever was printed.
READERS: dict[str, Callable[[bytes], None]] = {
    ".ipynb": _notebook, ".png": _png, ".svg": _xml, ".xml": _xml, ".html": _text, ".md": _text, ".txt": _text,
}  # fmt: skip


def problem(folder: Path, name: str) -> str:
    """What is wrong with the file ``name`` of the report in ``folder``; empty where nothing is."""
    reader = READERS.get(Path(name).suffix)
    if reader is None:
        return ""
    try:
        reader((folder / name).read_bytes())
    except _UNREADABLE as error:
        return (str(error).splitlines() or [type(error).__name__])[0][:200]
    return ""
