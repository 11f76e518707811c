"""Whole files in gzip or bzip2: told by their content when read, by the end of their name when written."""

import bz2
import gzip
import os
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

from nanobrag_torch.io.files import read_bytes, read_stream, replacing

#: What a compressed file begins with, and the reader of its content.
_READERS: dict[bytes, Callable[[BytesIO], gzip.GzipFile | bz2.BZ2File]] = {
    b"\x1f\x8b": lambda file: gzip.GzipFile(fileobj=file),
    b"BZh": lambda file: bz2.BZ2File(file),
}


def _gzip(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)


#: Ends of names, and what is done with the content of such a file.
_WRITERS: dict[str, Callable[[bytes], bytes]] = {".gz": _gzip, ".bz2": bz2.compress}

#: Endings of the names of compressed files.
COMPRESSED = tuple(_WRITERS)


def read_plain(path: str | os.PathLike[str], what: str) -> bytes:
    """The content of a file, decompressed where it is in gzip or bzip2; ``what`` says what was wanted from it.

    Raises as :func:`~nanobrag_torch.io.files.read_bytes`, and ``ValueError`` for compressed data that are damaged.
    """
    content = read_bytes(path, what)
    reader = next((reader for start, reader in _READERS.items() if content.startswith(start)), None)
    if reader is None:
        return content
    try:
        with reader(BytesIO(content)) as file:
            return read_stream(file, path)
    except (OSError, EOFError) as error:
        raise ValueError(
            f"{path}: this {what} cannot be decompressed ({error}). It is cut short or damaged; copy it again."
        ) from None


def write_compressed(path: str | os.PathLike[str], content: bytes) -> None:
    """Write a file whole, in gzip or bzip2 where its name ends in ``.gz`` or ``.bz2``.

    Raises ``OSError`` where it cannot be written; an existing file is replaced only when all is written.
    """
    compress = _WRITERS.get(Path(path).suffix.lower())
    with replacing(path) as part:
        part.write_bytes(content if compress is None else compress(content))
