"""Merged Scalepack files (HKL-2000): cell and space group in the third line, then 3I4 and up to four F8.1."""

import os
import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from nanobrag_torch.io.columns import root
from nanobrag_torch.io.files import require
from nanobrag_torch.io.reflections import StructureFactors
from nanobrag_torch.io.symmetry import structure_factors_in_p1

#: Its first two lines: 1, and a negative number between -980 and -999.
SIGN = re.compile(rb"\A[ \t]*1[ \t]*\r?\n[ \t]*-9[89]\d[ \t]*\r?\n")
#: The first line of an unmerged one: the number of symmetry operations and the space group.
UNMERGED = re.compile(rb"\A[ \t]*\d{1,3}[ \t]+[A-Za-z]\d[\w-]*[ \t]*\r?\n(?:[ \t]*-?[01]){9}")
_REMEDY = "Each line needs h k l in four columns each, then I and sigma, and those of -h, in eight columns each."


def parse_scalepack(content: bytes, source: str | os.PathLike[str], **options: Any) -> StructureFactors:
    """Amplitudes of a merged Scalepack file that has been read already, in P1 with both Friedel mates.

    An intensity whose sigma is not positive was not measured; its mate's counts.

    Args:
        content: Bytes of the file.
        source: Name of the file in messages.
        **options: ``dmin``, ``default_F``, ``device`` and ``dtype``, as for
            :func:`~nanobrag_torch.io.structure_factors.load_structure_factors`.

    Raises:
        ValueError: The header or a line cannot be read, or there is no reflection.
        ImportError: gemmi is missing.
    """
    gemmi = require("gemmi", "Expanding reflections by their symmetry")
    lines = content.decode("latin-1").splitlines()
    cell, group = _crystal(gemmi, lines[2] if len(lines) > 2 else "", str(source))
    rows = np.array(list(_rows(lines, str(source))), dtype=np.float64).reshape(-1, 7)
    plus, minus = (np.where(rows[:, i + 1] > 0, root(rows[:, i]), np.nan) for i in (3, 5))
    plus, minus = np.where(np.isnan(plus), minus, plus), np.where(np.isnan(minus), plus, minus)
    measured = np.isfinite(plus)
    if not measured.any():
        raise ValueError(f"{source}: no intensity has a positive sigma. Check that this is the file meant.")
    indices = rows[measured, :3].astype(np.int64)
    return structure_factors_in_p1(
        indices, plus[measured], minus[measured], cell, group, source=str(source), **options
    )  # fmt: skip


def refuse_unmerged(content: bytes, source: str | os.PathLike[str], **options: Any) -> StructureFactors:
    """Raise ``ValueError``: an unmerged Scalepack file names no unit cell, and its intensities are not merged."""
    raise ValueError(f"{source}: is an unmerged Scalepack file, without a unit cell. Merge it first.")


def _crystal(gemmi: Any, line: str, source: str) -> tuple[Any, Any]:
    words = line.split()
    try:
        cell, name = gemmi.UnitCell(*map(float, words[:6])), " ".join(words[6:])
    except (ValueError, TypeError):
        raise ValueError(f"{source}, line 3: {line.strip()[:60]!r} is no unit cell. Check that it is whole.") from None
    group = gemmi.find_spacegroup_by_name(name, cell.alpha, cell.gamma)
    if group is None or not cell.is_crystal():
        raise ValueError(f"{source}, line 3: {line.strip()[:60]!r} is no unit cell and space group. Mend the line.")
    return cell, group


def _rows(lines: list[str], source: str) -> Iterator[list[float]]:
    """h, k, l, I, sigma, and I and sigma of -h (0 where there are none), of every line below the header."""
    for number, line in enumerate(lines[3:], 4):
        if not line.strip():
            continue
        fields = [line[start : start + 8].strip() for start in (12, 20, 28, 36)]
        try:
            row = [float(int(line[start : start + 4])) for start in (0, 4, 8)]
            row += [float(field) if field or i < 2 else 0.0 for i, field in enumerate(fields)]
        except ValueError:
            raise ValueError(f"{source}, line {number}: {line.strip()[:60]!r} is no such line. {_REMEDY}") from None
        if not np.isfinite(row).all():
            raise ValueError(f"{source}, line {number}: {line.strip()[:60]!r} is not finite. {_REMEDY}")
        yield row
