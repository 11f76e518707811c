"""Structure factors as text: ``h k l F`` on each line."""

import os
import re
import warnings
from collections.abc import Iterator, Mapping
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nanobrag_torch.io.fdump import read_fdump, write_fdump
from nanobrag_torch.io.files import read_bytes, replacing
from nanobrag_torch.io.reflections import Metadata, box_around, checked_grid, fill_grid

__all__ = ["read_fdump", "read_hkl_file", "try_load_hkl_or_fdump", "write_fdump", "write_hkl_file"]

_REMEDY = "Each line needs h k l F; start a comment with '#'."

_NUMBER = r"[-+]?+(?:\d++\.?+\d*+|\.\d++)(?:[eE][-+]?+\d++)?+"
_C_RECORD = re.compile(rf"\s*+({_NUMBER})\s*+({_NUMBER})\s*+({_NUMBER})\s*+({_NUMBER})", re.ASCII)
#: The letter of an exponent of Fortran's double precision.
_FORTRAN = re.compile(r"(?<=[\d.])[dD](?=[-+]?\d)")
_C_INTEGER = re.compile(r"[-+]?\d+", re.ASCII)


def read_hkl_file(
    filepath: str | os.PathLike[str],
    default_F: float | torch.Tensor = 0.0,
    device: torch.device | str | None = None,
    dtype: torch.dtype = torch.float32,
    *,
    strict: bool = False,
) -> tuple[torch.Tensor, Metadata]:
    """Read the amplitudes of a text file.

    Lines are ``h k l F``; further columns, empty lines and what follows ``#`` do not count. Of several lines for one
    reflection the last counts. An index that is no integer is rounded, with a warning. Exponents may be Fortran's
    (``1.2D+01``).

    Args:
        filepath: File to read.
        default_F: Amplitude in electrons of entries of the grid that no line names; they stay connected to it.
        device: Device of the grid.
        dtype: Precision of the grid.
        strict: Read as the C program does [B27]: a stream of numbers taken four at a time whatever the line ends, which
            ends at the first word that is no number, or is no integer where an index is due.

    Returns:
        Amplitudes (h_range, k_range, l_range) in electrons, and metadata whose ``hkls`` is the number of lines.

    Raises:
        ValueError: A line cannot be read, or there is none.
        OSError: There is no such file.
    """
    content = read_bytes(filepath, "file of structure factors")
    return parse_hkl(content, filepath, default_F, device, dtype, strict=strict)


def parse_hkl(
    content: bytes,
    source: str | os.PathLike[str],
    default_F: float | torch.Tensor = 0.0,
    device: torch.device | str | None = None,
    dtype: torch.dtype = torch.float32,
    *,
    strict: bool = False,
) -> tuple[torch.Tensor, Metadata]:
    """Parse the amplitudes of a text file that has been read already.

    Args:
        content: Bytes of the file.
        source: Name of the file in errors.
        default_F: Amplitude in electrons of entries that no line names.
        device: Device of the grid.
        dtype: Precision of the grid.
        strict: Read as the C program does [B27].

    Returns:
        The grid and metadata of :func:`read_hkl_file`.

    Raises:
        ValueError: As :func:`read_hkl_file` does.
    """
    if strict:
        records, leading = _c_stream(content.decode("utf-8-sig", errors="replace"), source)
        indices, amplitudes = np.trunc(records[:, :3]), records[:, 3]
    else:
        (indices, amplitudes), leading = parse_records(content, source), None
    metadata = box_around(indices, str(source))
    grid = fill_grid(metadata, indices[:leading], amplitudes[:leading], default_F, device, dtype)
    return grid, metadata


def parse_records(content: bytes, source: str | os.PathLike[str]) -> tuple[np.ndarray, np.ndarray]:
    """Indices (n, 3) and values (n,) of the lines of a text file that has been read already.

    Raises ``ValueError`` where a line cannot be read.
    """
    text = content.decode("utf-8-sig", errors="replace")
    records = _lines(text, source)
    return _integers(records[:, :3], text, source), records[:, 3]


def write_hkl_file(F_grid: torch.Tensor, metadata: Mapping[str, Any], filepath: str | os.PathLike[str]) -> None:
    """Write the entries of a grid (h_range, k_range, l_range) that are not zero as ``h k l F``, as the C program reads.

    Amplitudes keep every digit of their precision. Raises ``ValueError`` where grid and metadata disagree or nothing
    is left to write, ``OSError`` where the file cannot be written.
    """
    grid, whole = checked_grid(F_grid, metadata, filepath)
    places = np.argwhere(grid != 0)
    if len(places) == 0:
        raise ValueError(f"{filepath}: every amplitude is zero. Give a grid with reflections.")
    low = [whole[key] for key in ("h_min", "k_min", "l_min")]
    digits = np.finfo(grid.dtype).precision + 3
    table = np.column_stack([places + low, grid[tuple(places.T)].astype(np.float64)])
    with replacing(filepath) as part:
        np.savetxt(part, table, fmt=f"%4d %4d %4d %.{digits}g")


def try_load_hkl_or_fdump(
    hkl_path: str | os.PathLike[str] | None = None,
    fdump_path: str | os.PathLike[str] = "Fdump.bin",
    default_F: float | torch.Tensor = 0.0,
    write_cache: bool = True,
    device: torch.device | str | None = None,
    dtype: torch.dtype = torch.float32,
) -> tuple[torch.Tensor, Metadata] | tuple[None, None]:
    """Structure factors from the text file if one is named, else from the dump if it exists.

    Args:
        hkl_path: Text file; None leaves it to the dump.
        fdump_path: Dump, read or written.
        default_F: Amplitude in electrons of entries that no line names.
        write_cache: Dump the grid of the text file for the next time.
        device: Device of the grid.
        dtype: Precision of the grid.

    Returns:
        Grid and metadata, or ``(None, None)`` where there is neither file.

    Raises:
        ValueError: A file cannot be read.
        OSError: The text file does not exist, or the dump cannot be written.
    """
    if hkl_path is not None:
        grid, metadata = read_hkl_file(hkl_path, default_F, device, dtype)
        if write_cache:
            write_fdump(grid, metadata, fdump_path)
        return grid, metadata
    if Path(fdump_path).is_file():
        return read_fdump(fdump_path, device, dtype)
    return None, None


def _lines(text: str, path: str | os.PathLike[str]) -> np.ndarray:
    """The first four columns of all lines, (n, 4)."""
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*input contained no data")
            records = np.loadtxt(StringIO(_FORTRAN.sub("e", text)), usecols=range(4), ndmin=2)
    except ValueError as error:
        raise _bad_line(text, path, error) from None
    unusable = ~np.isfinite(records).all(axis=1)
    if unusable.any():
        number, fields = _numbered(text, int(unusable.argmax()))
        raise ValueError(f"{path}, line {number}: {' '.join(fields[:4])!r} is not finite. {_REMEDY}")
    return records


def _integers(values: np.ndarray, text: str, path: str | os.PathLike[str]) -> np.ndarray:
    """Indices rounded to integers; one warning names the first line that needed it."""
    rounded: np.ndarray = np.rint(values)
    odd = (rounded != values).any(axis=1)
    if odd.any():
        number, fields = _numbered(text, int(odd.argmax()))
        warnings.warn(
            f"{path}, line {number}: indices {' '.join(fields[:3])} are not integers and were rounded"
            f" ({int(odd.sum())} such lines).",
            stacklevel=4,
        )
    return rounded


def _records(text: str) -> Iterator[tuple[int, list[str]]]:
    """(line number, words) of every line that holds something."""
    for number, line in enumerate(StringIO(text, newline=None), 1):
        fields = line.split("#", 1)[0].split()
        if fields:
            yield number, fields


def _numbered(text: str, index: int) -> tuple[int, list[str]]:
    """(line number, words) of the reflection that stands at ``index``."""
    return next(record for i, record in enumerate(_records(text)) if i == index)


def _bad_line(text: str, path: str | os.PathLike[str], error: ValueError) -> ValueError:
    """The error for the first line that is not four numbers."""
    for number, fields in _records(text):
        try:
            complete = len([float(_FORTRAN.sub("e", field)) for field in fields[:4]]) == 4
        except ValueError:
            complete = False
        if not complete:
            return ValueError(f"{path}, line {number}: {' '.join(fields[:4])!r} is not four numbers. {_REMEDY}")
    return ValueError(f"{path}: {error}. {_REMEDY}")


def _c_stream(text: str, path: str | os.PathLike[str]) -> tuple[np.ndarray, int]:
    """C's two passes: all records of four numbers (n, 4), and how many of the first have integers as indices."""
    words = []
    position = 0
    while record := _C_RECORD.match(text, position):
        words.append(record.groups())
        position = record.end()
    leading = next(
        (i for i, record in enumerate(words) if not all(map(_C_INTEGER.fullmatch, record[:3]))),
        len(words),
    )
    records = np.array(words, dtype=np.float64).reshape(-1, 4)
    if not np.isfinite(records).all():
        raise ValueError(f"{path}: holds a number too large for double precision. Check the file.")
    return records, leading
