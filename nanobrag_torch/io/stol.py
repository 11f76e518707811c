"""Tables over resolution: sin(theta)/lambda and the amplitude of a molecule on each line."""

import os
import re

import numpy as np

from nanobrag_torch.io.files import read_bytes

_DELIMITERS = re.compile(r"[ \t,;:!]+")
_REMEDY = "Each line needs sin(theta)/lambda in 1/Angstrom and an amplitude in electrons; comments start with '#'."


def read_stol(filepath: str | os.PathLike[str], scale: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Read a table over resolution.

    Args:
        filepath: File to read.
        scale: Factor that makes sin(theta)/lambda of its first column: 1/4 of 4 sin(theta)/lambda, 1/(4 pi) of Q.

    Returns:
        sin(theta)/lambda (n,) in 1/Angstrom, growing, and amplitudes (n,) in electrons.

    Raises:
        ValueError: A line holds no two numbers, there are fewer than two, or one resolution has two amplitudes.
        OSError: There is no such file.
    """
    rows = []
    text = read_bytes(filepath, "table over sin(theta)/lambda").decode("utf-8-sig", errors="replace")
    for number, line in enumerate(text.splitlines(), 1):
        words = [word for word in _DELIMITERS.split(line.partition("#")[0].strip()) if word]
        if not words:
            continue
        try:
            row = [float(word) for word in words[:2]]
        except ValueError:
            row = []
        if len(row) != 2 or not np.isfinite(row).all() or row[0] < 0:
            raise ValueError(f"{filepath}, line {number}: {line.strip()[:60]!r} is no such line. {_REMEDY}")
        rows.append(row)
    table = np.array(sorted(rows), dtype=np.float64).reshape(-1, 2)
    if len(table) < 2:
        raise ValueError(f"{filepath}: fewer than two resolutions. {_REMEDY}")
    if (np.diff(table[:, 0]) <= 0).any():
        twice = float(table[1:][np.diff(table[:, 0]) <= 0][0, 0])
        raise ValueError(f"{filepath}: {twice:g} stands there twice. Give one amplitude for each resolution.")
    return table[:, 0] * scale, table[:, 1]
