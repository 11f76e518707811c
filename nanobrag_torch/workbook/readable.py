"""Whether a file of a report, other than its records, can still be read as what its name says."""

import io
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import nbformat
from PIL import Image


def _notebook(name: str, content: bytes) -> None:
    nbformat.validate(nbformat.reads(content.decode(), as_version=4))


def _png(name: str, content: bytes) -> None:
    Image.open(io.BytesIO(content)).verify()


def _xml(name: str, content: bytes) -> None:
    ElementTree.fromstring(content)


def _text(name: str, content: bytes) -> None:
    content.decode()


#: How a file is read, by its suffix; what has another may hold anything, as a log holds whatever was printed.
READERS: dict[str, Callable[[str, bytes], None]] = {
    ".ipynb": _notebook, ".png": _png, ".svg": _xml, ".xml": _xml, ".html": _text, ".md": _text,
    ".txt": _text,
}  # fmt: skip


def problem(folder: Path, name: str) -> str:
    """What is wrong with the file ``name`` of the report in ``folder``; empty where nothing is."""
    reader = READERS.get(Path(name).suffix)
    if reader is None:
        return ""
    try:
        reader(name, (folder / name).read_bytes())
    # nbformat and Pillow raise whatever they trip over in a file that is not what its name says.
    except (ValueError, OSError, SyntaxError, KeyError, TypeError, AttributeError, nbformat.ValidationError) as error:
        return (str(error).splitlines() or [type(error).__name__])[0][:200]
    return ""
