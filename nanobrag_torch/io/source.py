"""Source lists: X Y Z weight wavelength on each line, in metres (physics.md, section 7.3; cli.md, section 10)."""

import os
import re
from typing import NamedTuple

import numpy as np
import torch

from nanobrag_torch.io.files import read_bytes

_DELIMITERS = re.compile(r"[ \t,;:!]+")
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
_REMEDY = (
    "Each line needs X Y Z weight wavelength, all in metres; trailing ones may be left out. Comments start with '#'."
)


class SourceTable(NamedTuple):
    """Positions (n, 3) and wavelengths (n,) in metres, weights (n,), float64."""

    positions: np.ndarray
    weights: np.ndarray
    wavelengths: np.ndarray


def read_source_table(
    filepath: str | os.PathLike,
    default_position: tuple[float, float, float],
    default_wavelength_m: float,
    *,
    strict: bool = False,
) -> SourceTable:
    """The sources as they stand in the file, missing columns filled: position, weight 1, wavelength.

    ``strict`` reads as the C program does [B26]: comments are sources at 0, and where a line does not end in a plain
    newline, missing columns are 0.
    Raises ``OSError`` where there is no such file, ``ValueError`` with the line for what is no source.
    """
    text = read_bytes(filepath, "source file").decode("utf-8-sig", errors="replace")
    defaults = (*default_position, 1.0, default_wavelength_m)
    rows = [
        [defaults[i] if value is None else value for i, value in enumerate(row)]
        for row in (_c_rows(text) if strict else _rows(text, filepath))
    ]
    if not rows:
        raise ValueError(f"{filepath}: no source. {_REMEDY}")
    table = np.array(rows, np.float64)
    return SourceTable(table[:, :3], table[:, 3], table[:, 4])


def read_sourcefile(
    filepath: str | os.PathLike,
    default_wavelength_m: float,
    default_source_distance_m: float = 10.0,
    beam_direction: torch.Tensor | None = None,
    dtype: torch.dtype | None = None,
    device: torch.device | str = "cpu",
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Unit vectors from sample to source (n, 3), weights (n,) and wavelengths (n,) in metres.

    A missing position is ``default_source_distance_m`` upstream of ``beam_direction`` (the direction of propagation,
    by default x). ``dtype`` None is float32. Raises as ``read_source_table`` does.
    """
    beam = (1.0, 0.0, 0.0) if beam_direction is None else beam_direction.detach().tolist()
    x, y, z = (-default_source_distance_m * component for component in beam)
    table = read_source_table(filepath, (x, y, z), default_wavelength_m)
    directions = table.positions / np.linalg.norm(table.positions, axis=1, keepdims=True)
    return tuple(  # type: ignore[return-value]
        torch.tensor(array, dtype=dtype or torch.float32, device=device)
        for array in (directions, table.weights, table.wavelengths)
    )


def _rows(text: str, path: str | os.PathLike) -> list[list[float | None]]:
    """Five columns of every line that holds a source, None for a missing one."""
    rows = []
    for number, line in enumerate(text.splitlines(), 1):
        words = [word for word in _DELIMITERS.split(line.split("#", 1)[0].strip()) if word]
        if not words:
            continue
        values: list[float | None] = []
        for word in words[:5]:
            try:
                value = float(word)
            except ValueError:
                raise ValueError(f"{path}, line {number}: {word!r} is no number. {_REMEDY}") from None
            values.append(None if np.isnan(value) else value)
        values += [None] * (5 - len(values))
        _check(values, f"{path}, line {number}")
        rows.append(values)
    return rows


def _check(values: list[float | None], where: str) -> None:
    """Raise ``ValueError`` for a source that cannot shine."""
    given = [value for value in values if value is not None]
    if not np.isfinite(given).all():
        raise ValueError(f"{where}: a value is not finite. {_REMEDY}")
    if values[:3] == [0.0, 0.0, 0.0]:
        raise ValueError(f"{where}: the source lies on the sample. {_REMEDY}")
    if values[4] is not None and values[4] <= 0:
        raise ValueError(f"{where}: wavelength {values[4]:g} m: must be positive. {_REMEDY}")


def _c_rows(text: str) -> list[list[float | None]]:
    rows = []
    for line in re.findall(r"[^\n]+\n?", text):
        words = [word for word in re.split(r"[ \t,;:!\r\n]+", line) if word]
        if words:
            numbers = [_NUMBER.match(word) for word in words[:5]]
            values: list[float | None] = [float(number.group()) if number else 0.0 for number in numbers]
            missing = None if line.endswith("\n") and not line.endswith("\r\n") else 0.0
            rows.append(values + [missing] * (5 - len(values)))
    return rows
