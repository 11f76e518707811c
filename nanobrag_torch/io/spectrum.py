"""Spectra: energy or wavelength and weight on each line."""

import math
import os
import re
from collections.abc import Iterator
from typing import Literal, NamedTuple

import numpy as np

from nanobrag_torch.io.files import read_bytes
from nanobrag_torch.memory import check_memory
from nanobrag_torch.units import energy_to_wavelength
from nanobrag_torch.validation import LARGEST, LEAST

#: An energy in eV is larger, a wavelength in Angstrom smaller.
BETWEEN = 100.0
#: What names the first column, or its unit, in a header.
ENERGY = re.compile(r"\b(ev|energy|energies)\b")
WAVELENGTH = re.compile(r"\b(wavelengths?|lambda|angstroms?)\b|[(\[][aå][)\]]")
_REMEDY = (
    "Each line needs an energy in eV or a wavelength in Angstrom, the same for all lines, and a weight. "
    "A header may say which; comments start with '#'."
)


class Spectrum(NamedTuple):
    """Wavelengths (n,) in Angstrom and weights (n,), float64, and how they stood in the file.

    ``unit`` is that of the first column, "eV" or "A", known by the ``evidence`` of the "header" or of the "size".
    """

    wavelengths: np.ndarray
    weights: np.ndarray
    unit: Literal["eV", "A"]
    evidence: Literal["header", "size"]


def read_spectrum(filepath: str | os.PathLike[str]) -> Spectrum:
    """The spectrum of a file of two columns, weights as they stand there; further rules are :func:`read_spectra`'s."""
    return read_spectra(filepath, columns=2)[0]


def read_spectra(filepath: str | os.PathLike[str], columns: int | None = None) -> list[Spectrum]:
    """The spectra of a file: energy or wavelength, then a column of weights for each, as they stand there.

    ``columns`` is their number in all; None is that of the first line. Comments and what stands above the first number
    are the header. Without a unit in it, numbers above 100 are energies in eV and numbers below wavelengths in
    Angstrom. Raises ``OSError`` where there is no such file, ``ValueError`` with the line for what is no spectrum.
    """
    content = read_bytes(filepath, "spectrum")
    lines = content.count(b"\n") + content.count(b"\r") + 1
    check_memory("source", lines, str(filepath), "lines", lines, "List fewer wavelengths.")
    header: list[str] = []
    text = content.decode("utf-8-sig", errors="replace")
    rows = list(_rows(text, str(filepath), header, columns))
    if not rows:
        raise ValueError(f"{filepath}: no wavelength. {_REMEDY}")
    first, *weights = np.array(rows, np.float64).T
    if not all(column.sum() > 0 for column in weights):
        raise ValueError(f"{filepath}: all weights are 0. Give relative intensities.")
    unit = _unit_of(" ".join(header).lower().replace("_", " "), str(filepath))
    evidence: Literal["header", "size"] = "size" if unit is None else "header"
    if unit is None:
        if first.min() <= BETWEEN < first.max():
            raise ValueError(f"{filepath}: from {first.min():g} to {first.max():g}, which is no one unit. {_REMEDY}")
        unit = "A" if first.max() <= BETWEEN else "eV"
    wavelengths = np.array([energy_to_wavelength(energy) for energy in first.tolist()]) if unit == "eV" else first
    return [Spectrum(wavelengths, column, unit, evidence) for column in weights]


def _unit_of(header: str, path: str) -> Literal["eV", "A"] | None:
    """The unit that a header names first, None where it names none."""
    if re.search(r"\bkev\b", header):
        raise ValueError(f"{path}: the header says keV. Give energies in eV or wavelengths in Angstrom.")
    energy, wavelength = ENERGY.search(header), WAVELENGTH.search(header)
    if energy is None and wavelength is None:
        return None
    return "eV" if wavelength is None or (energy is not None and energy.start() < wavelength.start()) else "A"


def _rows(text: str, path: str, header: list[str], columns: int | None) -> Iterator[list[float]]:
    """The numbers of every line that has any; comments, and the line above the numbers, go to ``header``."""
    begun = False
    for number, line in enumerate(text.splitlines(), 1):
        given, _, comment = line.partition("#")
        header.append(comment)
        words = [word for word in re.split(r"[\s,;]+", given) if word]
        if not words:
            continue
        try:
            values = [float(word) for word in words]
        except ValueError:
            if begun:
                raise ValueError(f"{path}, line {number}: {given.strip()!r} are no numbers. {_REMEDY}") from None
            begun = True
            header.append(given)
            continue
        begun = True
        columns = columns or max(len(values), 2)
        yield _checked(values, columns, f"{path}, line {number}")


def _checked(values: list[float], columns: int, where: str) -> list[float]:
    """The numbers; ``ValueError`` where they are no wavelength and weights."""
    if len(values) != columns:
        raise ValueError(f"{where}: {len(values)} numbers. {_REMEDY}")
    first, *weights = values
    good = all(map(math.isfinite, values)) and LEAST < first < LARGEST
    for weight in weights:
        if not (good and 0 <= weight < LARGEST):
            raise ValueError(f"{where}: {first:g} {weight:g}: must be positive and at least 0. {_REMEDY}")
    return values
