"""Anomalous scattering: the corrections f' and f'' of the atoms of a model, calculated or from a table."""

import os
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from nanobrag_torch.io.files import read_bytes, require
from nanobrag_torch.validation import check_range

#: A wavelength in Angstrom, or (f', f'') in electrons by the symbol of the element.
Anomalous = float | Mapping[str, tuple[float, float]]

#: Wavelengths in Angstrom between which the method of Cromer and Liberman is of use.
SHORTEST, LONGEST = 0.1, 10.0
_REMEDY = "Each line needs the symbol of an element, f' and f'' in electrons; comments start with '#'."


def anomalous_factors(elements: Iterable[str], wavelength_A: float) -> dict[str, tuple[float, float]]:
    """f' and f'' of free atoms by the method of Cromer and Liberman, as gemmi has it.

    Edges of real compounds are shifted and have white lines: next to an edge, measured values are better.

    Args:
        elements: Symbols of elements.
        wavelength_A: Wavelength in Angstrom.

    Returns:
        (f', f'') in electrons by element.

    Raises:
        ValueError: The wavelength is not one of X-rays, or an element has no values at it.
        ImportError: gemmi is missing.
    """
    gemmi = require("gemmi", "Calculating anomalous scattering")
    remedy = "Beyond, give f' and f'' in a table."
    check_range("anomalous scattering", "wavelength", wavelength_A, SHORTEST, LONGEST, unit="Angstrom", remedy=remedy)
    energy = gemmi.hc / wavelength_A
    found = {}
    for symbol in dict.fromkeys(elements):
        number = gemmi.Element(symbol).atomic_number
        factors = gemmi.cromer_liberman(number, energy) if number else (np.nan, np.nan)
        if not np.isfinite(factors).all() or (number > 2 and factors == (0, 0)):
            raise ValueError(
                f"anomalous scattering: element {symbol} has no f' and f'' at {wavelength_A:g} Angstrom "
                f"({energy:.0f} eV). Give them in a table."
            )
        found[symbol] = factors
    return found


def read_anomalous_table(filepath: str | os.PathLike[str]) -> dict[str, tuple[float, float]]:
    """The table of a text file: element, f' and f'' on each line.

    Raises ``ValueError`` with the line for what is no such line, ``OSError`` where there is no such file.
    """
    table: dict[str, tuple[float, float]] = {}
    text = read_bytes(filepath, "table of anomalous scattering").decode("utf-8-sig", errors="replace")
    for number, line in enumerate(text.splitlines(), 1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        try:
            symbol, real, imaginary = words[0], float(words[1]), float(words[2])
        except (ValueError, IndexError):
            raise ValueError(f"{filepath}, line {number}: {line.strip()[:60]!r} is no such line. {_REMEDY}") from None
        if len(words) != 3 or not symbol.isalpha() or not np.isfinite([real, imaginary]).all():
            raise ValueError(f"{filepath}, line {number}: {line.strip()[:60]!r} is no such line. {_REMEDY}")
        table[symbol.capitalize()] = real, imaginary
    if not table:
        raise ValueError(f"{filepath}: no element. {_REMEDY}")
    return table


def corrections_of(elements: Iterable[str], anomalous: Anomalous | None, source: str) -> dict[str, tuple[float, float]]:
    """(f', f'') of every one of ``elements`` that has any.

    Raises ``ValueError``, naming ``source``, where a table names none of them, or holds no numbers.
    """
    present = list(dict.fromkeys(elements))
    if anomalous is None:
        return {}
    if not isinstance(anomalous, Mapping):
        return anomalous_factors(present, anomalous)
    table: dict[str, Any] = {symbol.capitalize(): factors for symbol, factors in anomalous.items()}
    found = {
        symbol: tuple(map(float, table[symbol.capitalize()])) for symbol in present if symbol.capitalize() in table
    }
    for symbol, factors in found.items():
        if len(factors) != 2 or not np.isfinite(factors).all():
            raise ValueError(
                f"{source}: anomalous[{symbol!r}] = {factors}: are not finite. Give f' and f'' in electrons."
            )
    if not found:
        raise ValueError(
            f"{source}: anomalous names {', '.join(anomalous) or 'no element'}; the model has {', '.join(present)}. "
            "Name an element of the model."
        )
    return found  # type: ignore[return-value]
