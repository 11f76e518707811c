"""CrystFEL reflection lists: intensities, and the point group by which they were merged."""

import os
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from nanobrag_torch.io.columns import root
from nanobrag_torch.io.files import require
from nanobrag_torch.io.reflections import StructureFactors
from nanobrag_torch.io.symmetry import structure_factors_in_p1

SIGN = re.compile(rb"\A[ \t]*(?:CrystFEL reflection list version|h[ \t]+k[ \t]+l[ \t]+I[ \t]+phase)")

#: Space groups with the rotations of a point group as CrystFEL names it; ``{}`` of a monoclinic one stands for the
#: three axes, of which the unique one has the symbol.
POINT_GROUPS = {
    "1": "P 1", "-1": "P -1", "2": "2", "m": "m", "2/m": "2/m", "222": "P 2 2 2", "mm2": "P m m 2", "mmm": "P m m m",
    "4": "P 4", "-4": "P -4", "4/m": "P 4/m", "422": "P 4 2 2", "4mm": "P 4 m m", "-42m": "P -4 2 m",
    "-4m2": "P -4 m 2", "4/mmm": "P 4/m m m", "3_H": "P 3", "-3_H": "P -3", "321_H": "P 3 2 1", "312_H": "P 3 1 2",
    "3m1_H": "P 3 m 1", "31m_H": "P 3 1 m", "-3m1_H": "P -3 m 1", "-31m_H": "P -3 1 m", "3_R": "R 3:R",
    "-3_R": "R -3:R", "32_R": "R 3 2:R", "3m_R": "R 3 m:R", "-3m_R": "R -3 m:R", "6": "P 6", "-6": "P -6",
    "6/m": "P 6/m", "622": "P 6 2 2", "6mm": "P 6 m m", "-62m": "P -6 2 m", "-6m2": "P -6 m 2", "6/mmm": "P 6/m m m",
    "23": "P 2 3", "m-3": "P m -3", "432": "P 4 3 2", "-43m": "P -4 3 m", "m-3m": "P m -3 m",
}  # fmt: skip
_UNIQUE_AXIS = re.compile(r"_ua([abc])$")
_REMEDY = "Each line needs h k l I, then phase, sigma and the number of measurements."


def parse_crystfel(content: bytes, source: str | os.PathLike[str], **options: Any) -> StructureFactors:
    """Amplitudes of a CrystFEL list that has been read already, expanded by its point group; it has no cell.

    Args:
        content: Bytes of the file.
        source: Name of the file in messages.
        **options: ``default_F``, ``device`` and ``dtype``, as for
            :func:`~nanobrag_torch.io.structure_factors.load_structure_factors`.

    Raises:
        ValueError: A line or the symmetry cannot be read, or there is no reflection.
        ImportError: gemmi is missing.
    """
    gemmi = require("gemmi", "Expanding reflections by their symmetry")
    lines = content.decode("latin-1").splitlines()
    name = next((line.partition(":")[2].strip() for line in lines[:20] if line.startswith("Symmetry:")), "1")
    rows = np.array(list(_rows(lines, str(source))), dtype=np.float64).reshape(-1, 4)
    if len(rows) == 0:
        raise ValueError(f"{source}: no reflection. Check that this is the file meant.")
    amplitudes = root(rows[:, 3])
    found = structure_factors_in_p1(
        rows[:, :3].astype(np.int64), amplitudes, amplitudes, None, _group(gemmi, name, str(source)),
        source=str(source), **options,
    )  # fmt: skip
    return replace(found, space_group=None)


def _group(gemmi: Any, name: str, source: str) -> Any:
    """A space group with the rotations of a point group."""
    axis = _UNIQUE_AXIS.search(name)
    plain = _UNIQUE_AXIS.sub("", name)
    symbol = POINT_GROUPS.get(plain)
    if symbol in ("2", "m", "2/m"):
        unique = axis.group(1) if axis else "c"
        symbol = "P " + " ".join(symbol if letter == unique else "1" for letter in "abc")
    elif axis and axis.group(1) != "c":
        symbol = None
    group = gemmi.find_spacegroup_by_name(symbol) if symbol else None
    if group is None:
        raise ValueError(
            f"{source}: Symmetry: {name!r}: must be a point group by CrystFEL's name, such as mmm, 4/mmm or 321_H; "
            "2/m_uab has b for its unique axis. Mend the line."
        )
    return group


def _rows(lines: list[str], source: str) -> Iterator[list[float]]:
    """h, k, l and I of every line between the names of the columns and the end."""
    begun = False
    for number, line in enumerate(lines, 1):
        words = line.split()
        if not begun:
            begun = words[:4] == ["h", "k", "l", "I"]
            continue
        if line.startswith("End of reflections"):
            return
        if not words:
            continue
        try:
            row = [float(int(word)) for word in words[:3]] + [float(words[3])]
        except (ValueError, IndexError):
            raise ValueError(f"{source}, line {number}: {line.strip()[:60]!r} is no reflection. {_REMEDY}") from None
        if not np.isfinite(row).all():
            raise ValueError(f"{source}, line {number}: {line.strip()[:60]!r} is not finite. {_REMEDY}")
        yield row
