"""Opening and replacing files so that a failure names the file and never leaves half of one behind."""

import importlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedIOBase, BufferedReader
from pathlib import Path
from typing import Any

from nanobrag_torch.memory import check_memory

#: Bytes of a stream that are read at a time.
_PIECE = 1 << 24


def read_bytes(path: str | os.PathLike[str], what: str) -> bytes:
    """The whole content of a file; ``what`` says in the error what was wanted from it.

    Raises the ``OSError`` of the failure with the name of the file and what to check, ``ValueError`` for a file that
    never ends, or is larger than memory holds.
    """
    with opening(path, what) as file:
        return file.read() if stat.S_ISREG(os.fstat(file.fileno()).st_mode) else read_stream(file, path)


def read_stream(file: BufferedIOBase, path: str | os.PathLike[str]) -> bytes:
    """All bytes of a stream of unknown length (a pipe, compressed data), as long as memory holds them.

    Raises ``ValueError``, naming ``path``, where it does not.
    """
    pieces: list[bytes] = []
    size = 0
    while piece := file.read(_PIECE):
        pieces.append(piece)
        size += len(piece)
        check_memory("byte of a file", size, str(path), "content", f"{size} bytes", "Leave out what is not needed.")
    return b"".join(pieces)


@contextmanager
def opening(path: str | os.PathLike[str], what: str) -> Iterator[BufferedReader]:
    """The open file, once it is known to end and to fit into memory. Raises as :func:`read_bytes`."""
    try:
        with Path(path).open("rb") as file:
            status = os.fstat(file.fileno())
            if stat.S_ISCHR(status.st_mode):
                raise ValueError(f"{path}: this {what} is a device, whose bytes may never end. Give a file.")
            remedy = "Leave out what is not needed."
            check_memory("byte of a file", status.st_size, str(path), "size", f"{status.st_size} bytes", remedy)
            yield file
    except OSError as error:
        raise unreadable(path, what, error) from None


def unreadable(path: str | os.PathLike[str], what: str, error: OSError) -> OSError:
    """The same error with the name of the file, what was wanted from it and what to check."""
    reason = error.strerror or str(error)
    return type(error)(error.errno, f"{what} cannot be read ({reason}). Check its name and permissions", str(path))


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """The path of a new file that takes the place of ``path`` when the block ends without an error.

    Until then an existing file stays as it is; after an error nothing is left behind. What is no ordinary file
    (``/dev/null``, a pipe) is written to directly. Raises ``FileNotFoundError`` where the folder does not exist.
    """
    target = Path(path).resolve()
    if target.exists() and not target.is_file():
        yield target
        return
    if not target.parent.is_dir():
        raise FileNotFoundError(f"{path}: there is no such folder. Create {target.parent} first, or write elsewhere.")
    part = target.with_name(f".{os.getpid()}.{target.name}")
    try:
        yield part
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def written(text: str, path: str | os.PathLike[str] | None) -> str:
    """Write a text in UTF-8 where a path is given, in place of an old file only once it is whole, and return it."""
    if path is not None:
        with replacing(path) as part:
            part.write_text(text, encoding="utf-8")
    return text


def check_ordinary(path: str | os.PathLike[str], what: str) -> None:
    """Raise ``ValueError`` where ``path`` is a device, a pipe or a folder: ``what`` is not written in one go."""
    if Path(path).exists() and not Path(path).is_file():
        raise ValueError(f"{path}: a {what} must be an ordinary file. Give another name.")


@contextmanager
def reading(path: str | os.PathLike[str], what: str, remedy: str) -> Iterator[str]:
    """The path, as text, for a library that reads ``what`` from it, and one kind of error for all that it may raise.

    Raises ``ValueError`` with the library's message and the remedy, ``OSError`` where the file cannot be opened.
    """
    with opening(path, what) as file:
        file.read(1)
    with parsing(path, what, remedy):
        yield str(path)


@contextmanager
def parsing(path: str | os.PathLike[str], what: str, remedy: str) -> Iterator[None]:
    """One kind of error for all that may be wrong with the content of ``what``: ``ValueError`` with file and remedy."""
    try:
        yield
    except Exception as error:
        reason = str(error).strip() or type(error).__name__
        raise ValueError(f"{path}: this {what} cannot be read ({reason}). {remedy}") from None


def require(module: str, purpose: str) -> Any:
    """An optional library, or an ``ImportError`` that says what it is needed for and how to install it."""
    try:
        return importlib.import_module(module)
    except ImportError:
        raise ImportError(
            f"{purpose} needs the Python package {module.split('.')[0]}, which is not installed here. "
            "Install it with: pip install nanobrag-torch[io]"
        ) from None
