"""The binary dump of structure factors that the C program leaves for its next run.

``"%d %d %d %d %d %d\\n\\f"`` with the bounds of h, k and l, then native doubles in C order. Each axis has one extra
plane at its end, filled with zeros; it is written for the C program's sake and removed on reading.

The C program reads any white space, or none, where newline and form feed stand, and other writers make use of that.
"""

import math
import os
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from nanobrag_torch.io.files import read_bytes, replacing
from nanobrag_torch.io.reflections import LARGEST_GRID, Metadata, box_metadata, checked_grid

_HEADER = re.compile(rb"\s*" + rb"\s+".join([rb"(-?\d{1,10})"] * 6) + rb"(?:[^\S\f]*\f|\s*)")
#: What a dump begins with: zero bytes, which no text holds, come soon after its header.
SIGN = re.compile(rb"\A\s*+-?\d++(?:\s++-?\d++){5}(?:\n\f|[^\0]*+\0)")
_REMEDY = "Delete the dump and read the text file again."


def write_fdump(
    F_grid: torch.Tensor | np.ndarray, metadata: Mapping[str, Any], filepath: str | os.PathLike[str]
) -> None:
    """Write a grid (h_range, k_range, l_range) of amplitudes as the C program does.

    ``metadata`` needs the bounds ``h_min`` ... ``l_max``, integers of any type; they come back as they were given.
    Raises ``ValueError`` where grid and metadata disagree, ``OSError`` where the file cannot be written.
    """
    grid, whole = checked_grid(F_grid, metadata, filepath)
    padded = np.zeros([length + 1 for length in grid.shape])
    padded[:-1, :-1, :-1] = grid
    bounds = " ".join(str(whole[f"{axis}_{end}"]) for axis in "hkl" for end in ("min", "max"))
    with replacing(filepath) as part, part.open("wb") as file:
        file.write(f"{bounds}\n\f".encode())
        padded.tofile(file)


def read_fdump(
    filepath: str | os.PathLike[str], device: torch.device | str | None = None, dtype: torch.dtype = torch.float32
) -> tuple[torch.Tensor, Metadata]:
    """Read the dump of an earlier run, of the C program or of this one.

    The data begin right after the form feed: the C program would also skip leading data bytes that look like white
    space and misread the table [B40]. A header without a form feed ends where C ends it. The length is checked.

    Args:
        filepath: File to read.
        device: Device of the grid.
        dtype: Precision of the grid.

    Returns:
        Amplitudes (h_range, k_range, l_range) in electrons, and metadata whose ``hkls`` counts the whole box, as in C.

    Raises:
        ValueError: The file is no dump, of the wrong length, or holds a number that is not finite.
        OSError: There is no such file.
    """
    return parse_fdump(read_bytes(filepath, "dump of structure factors"), filepath, device, dtype)


def parse_fdump(
    content: bytes,
    source: str | os.PathLike[str],
    device: torch.device | str | None = None,
    dtype: torch.dtype = torch.float32,
) -> tuple[torch.Tensor, Metadata]:
    """Parse a dump that has been read already.

    Args:
        content: Bytes of the file.
        source: Name of the file in errors.
        device: Device of the grid.
        dtype: Precision of the grid.

    Returns:
        The grid and metadata of :func:`read_fdump`.

    Raises:
        ValueError: As :func:`read_fdump` does.
    """
    header = _HEADER.match(content)
    if header is None:
        raise ValueError(
            f"{source}: no dump of structure factors; it must begin with six integers, a newline and a form feed. "
            + _REMEDY
        )
    bounds = [int(text) for text in header.groups()]
    low, high = tuple(bounds[::2]), tuple(bounds[1::2])
    padded = [last - first + 2 for first, last in zip(low, high, strict=True)]
    size = len(content) - header.end()
    if min(padded) < 2 or math.prod(padded) > 2 * LARGEST_GRID or size != 8 * math.prod(padded):
        raise ValueError(
            f"{source}: {size} bytes follow its header, which is not what its bounds h, k, l = {bounds} ask for: "
            f"8 bytes for each of {' x '.join(str(length) for length in padded)} amplitudes. {_REMEDY}"
        )
    values = np.frombuffer(content, dtype=np.float64, offset=header.end()).reshape(padded)[:-1, :-1, :-1]
    if not np.isfinite(values).all():
        raise ValueError(f"{source}: holds amplitudes that are not finite. {_REMEDY}")
    grid = torch.tensor(values, device=device, dtype=dtype)
    return grid, box_metadata(low, high, grid.numel())
