"""SHELX reflection lists: 3I4, 2F8 and a batch number, which end at 0 0 0."""

import os
import re
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

from nanobrag_torch.io.merging import mean_by_index
from nanobrag_torch.io.reflections import StructureFactors
from nanobrag_torch.io.symmetry import structure_factors_of_list

#: A number of eight columns, wherever its point is.
_VALUE = rb"(?:" + b"|".join(rb"[ \d-]{%d}\.\d{%d}" % (7 - digits, digits) for digits in range(6)) + rb")"
#: The first line of such a list, to the column: three indices, two numbers, and perhaps a batch number.
SIGN = re.compile(rb"\A(?:[ \d-]{3}\d){3}" + _VALUE + _VALUE + rb"(?:[ \d-]{3}\d)? *\r?\n")
_REMEDY = (
    "Each line needs h k l in four columns each, then F squared (HKLF 4) or F (HKLF 3) and its sigma in eight each."
)


def parse_shelx(
    content: bytes, source: str | os.PathLike[str], values: str | None = None, **options: Any
) -> StructureFactors:
    """Amplitudes of a SHELX list, as listed, that has been read already.

    The format does not say what it holds: HKLF 4, F squared, is assumed with a warning where nobody said. Observations
    of one index are averaged, weighted by 1/sigma^2.

    Args:
        content: Bytes of the file.
        source: Name of the file in messages.
        values: "intensities" (HKLF 4), "amplitudes" (HKLF 3) or None.
        **options: ``space_group``, ``default_F``, ``device`` and ``dtype``, as for
            :func:`~nanobrag_torch.io.structure_factors.load_structure_factors`.

    Raises:
        ValueError: A line has another layout, or there is none.
    """
    if values is None:
        warnings.warn(
            f"{source}: a SHELX list says nowhere what it holds; F squared (HKLF 4) was assumed. Say values: "
            "intensities (HKLF 4) or amplitudes (HKLF 3).",
            stacklevel=2,
        )
    rows = np.array(list(_rows(content.decode("latin-1"), str(source))), dtype=np.float64).reshape(-1, 5)
    if len(rows) == 0:
        raise ValueError(f"{source}: no reflection before 0 0 0. Check that this is the file meant.")
    indices, observed = mean_by_index(rows[:, :3].astype(np.int64), rows[:, 3], rows[:, 4])
    return structure_factors_of_list(indices, observed, str(source), values=values or "intensities", **options)


def _rows(text: str, source: str) -> Iterator[tuple[float, ...]]:
    """h, k, l, value and sigma of every line before 0 0 0."""
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            h, k, l = (int(line[start : start + 4]) for start in (0, 4, 8))
            value, sigma = (float(line[start : start + 8]) for start in (12, 20))
        except ValueError:
            raise ValueError(f"{source}, line {number}: {line.strip()[:60]!r} is no such line. {_REMEDY}") from None
        if (h, k, l) == (0, 0, 0):
            return
        if not (np.isfinite(value) and np.isfinite(sigma)):
            raise ValueError(f"{source}, line {number}: {line.strip()[:60]!r} is not finite. {_REMEDY}")
        yield h, k, l, value, sigma
