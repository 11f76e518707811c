"""Source lists: X Y Z weight wavelength on each line, in metres."""

import math
import os
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch

from nanobrag_torch.given import array
from nanobrag_torch.io.files import read_bytes
from nanobrag_torch.memory import check_memory
from nanobrag_torch.validation import LARGEST, LEAST

_DELIMITERS = re.compile(r"[ \t,;:!]+")
_REMEDY = (
    "Each line needs X Y Z weight wavelength, all in metres; trailing ones may be left out. Comments start with '#'."
)


class SourceTable(NamedTuple):
    """Positions (n, 3) and wavelengths (n,) in metres, weights (n,), float64."""

    positions: np.ndarray
    weights: np.ndarray
    wavelengths: np.ndarray


def read_source_table(
    filepath: str | os.PathLike[str], default_position: tuple[float, float, float], default_wavelength_m: float
) -> SourceTable:
    """The sources as they stand in the file, missing columns filled: position, weight 1, wavelength.

    Comments are no sources, and the end of a line does not matter; the C program trips over both [B26].
    Raises ``OSError`` where there is no such file, ``ValueError`` with the line for what is no source.
    """
    content = read_bytes(filepath, "source file")
    lines = content.count(b"\n") + content.count(b"\r") + 1
    check_memory("source", lines, str(filepath), "lines", lines, "List fewer sources.")
    text = content.decode("utf-8-sig", errors="replace")
    defaults = (*default_position, 1.0, default_wavelength_m)
    table = np.array(list(_rows(text, str(filepath), defaults)), np.float64).reshape(-1, 5)
    if len(table) == 0:
        raise ValueError(f"{filepath}: no source. {_REMEDY}")
    return SourceTable(table[:, :3], table[:, 3], table[:, 4])


def read_sourcefile(
    filepath: str | os.PathLike[str],
    default_wavelength_m: float,
    default_source_distance_m: float = 10.0,
    beam_direction: torch.Tensor | Sequence[float] | None = None,
    dtype: torch.dtype | None = None,
    device: torch.device | str = "cpu",
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Read a source list as directions.

    Args:
        filepath: File to read.
        default_wavelength_m: Wavelength of sources without one, metres.
        default_source_distance_m: Distance upstream of a source without a position, metres.
        beam_direction: Direction (3,) in which the beam propagates; None is x.
        dtype: Precision; None is float32.
        device: Device of the tensors.

    Returns:
        Unit vectors from sample to source (n, 3), weights (n,) and wavelengths (n,) in metres.

    Raises:
        ValueError: A line holds no source, or there is none.
        OSError: There is no such file.
    """
    beam = (1.0, 0.0, 0.0) if beam_direction is None else array(beam_direction).tolist()
    x, y, z = (-default_source_distance_m * component for component in beam)
    table = read_source_table(filepath, (x, y, z), default_wavelength_m)
    directions = table.positions / np.linalg.norm(table.positions, axis=1, keepdims=True)
    return tuple(  # type: ignore[return-value]
        torch.tensor(array, dtype=dtype or torch.float32, device=device)
        for array in (directions, table.weights, table.wavelengths)
    )


def _rows(text: str, path: str, defaults: tuple[float, ...]) -> Iterator[list[float]]:
    """The five columns of every line that holds a source; a missing or NaN column takes its default."""
    for number, line in enumerate(text.splitlines(), 1):
        words = [word for word in _DELIMITERS.split(line.split("#", 1)[0].strip()) if word]
        if words:
            row = list(defaults)
            for column, word in enumerate(words[: len(defaults)]):
                value = _number(word, f"{path}, line {number}")
                row[column] = defaults[column] if np.isnan(value) else value
            _check(row, f"{path}, line {number}")
            yield row


def _number(word: str, where: str) -> float:
    try:
        return float(word)
    except ValueError:
        raise ValueError(f"{where}: {word!r} is no number. {_REMEDY}") from None


def _check(row: list[float], where: str) -> None:
    """Raise ``ValueError`` for a source that cannot shine."""
    if not np.isfinite(row).all():
        raise ValueError(f"{where}: a value is not finite. {_REMEDY}")
    if max(map(abs, row)) > LARGEST:
        raise ValueError(f"{where}: a value is larger than {LARGEST:g}. {_REMEDY}")
    if not math.hypot(*row[:3]) > LEAST:
        raise ValueError(f"{where}: the source lies on the sample. {_REMEDY}")
    if not row[4] > LEAST:
        raise ValueError(f"{where}: wavelength {row[4]:g} m: must be positive. {_REMEDY}")
