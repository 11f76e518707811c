"""Measured or calculated amplitudes from MTZ files, expanded to P1."""

import os
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from nanobrag_torch.io.columns import READINGS, choose_columns, inventory, read_columns
from nanobrag_torch.io.files import reading, require
from nanobrag_torch.io.merging import merged
from nanobrag_torch.io.reflection_cif import read_reflection_cif
from nanobrag_torch.io.reflections import StructureFactors
from nanobrag_torch.io.symmetry import structure_factors_in_p1

__all__ = ["READINGS", "read_mtz", "read_reflection_cif"]

#: M/ISYM of an observation of which parts stand on several images is at least this.
PARTIAL = 256


def read_mtz(
    filepath: str | os.PathLike[str], columns: Sequence[str] | str | None = None, **options: Any
) -> StructureFactors:
    """Amplitudes of an MTZ file (also gzipped), in P1 with both Friedel mates.

    Reflections without a value are left out. Observations of an unmerged file are merged to weighted means, with a
    warning: they should have been scaled before.

    Args:
        filepath: File to read.
        columns: One or two columns whose types are a row of :data:`READINGS`, for example ``"FP"`` or
            ``("F(+)", "F(-)")``, with ``DATASET/`` before a label that stands in several datasets. None takes those of
            the first dataset that has any, says in the log which they are, and warns where other datasets have some.
        **options: ``dmin`` (Angstrom), ``default_F``, ``device`` and ``dtype``, as for
            :func:`~nanobrag_torch.io.structure_factors.load_structure_factors`.

    Raises:
        ValueError: The file is no MTZ file, or has no such columns.
        OSError: There is no such file.
        ImportError: gemmi is missing.
    """
    gemmi = require("gemmi", "Reading MTZ files")
    with reading(filepath, "MTZ file", "Check that it is whole.") as path:
        mtz = _read_whole(gemmi, path)
    source = str(filepath)
    if mtz.spacegroup is None or not mtz.cell.is_crystal():
        raise ValueError(f"{source}: has no space group or no unit cell. Give a file that has both.")
    observed = mtz.columns_with_type("Y")
    if mtz.batches or observed:
        indices, plus, minus, labels = _merged(gemmi, mtz, source, columns)
    else:
        chosen = choose_columns(mtz, source, columns)
        indices, (plus, minus), labels = mtz.make_miller_array(), read_columns(chosen), [c.label for c in chosen]
    usable = np.isfinite(plus) & np.isfinite(minus)
    if not usable.any():
        raise ValueError(f"{source}: its columns hold no amplitude. Name others with columns=...")
    found = structure_factors_in_p1(
        indices[usable], plus[usable], minus[usable], mtz.cell, mtz.spacegroup, source=source, **options
    )
    return replace(found, columns=tuple(labels))


def _merged(
    gemmi: Any, mtz: Any, source: str, wanted: Sequence[str] | str | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[str]]:
    """Indices (n, 3), amplitudes (n,) of them and of their mates, and the column, of an unmerged file."""
    names = [wanted] if isinstance(wanted, str) else wanted
    values = mtz.columns_with_type("J") if names is None else [mtz.column_with_label(name) for name in names]
    if not values or values[0] is None or values[0].type != "J" or (names is not None and len(values) > 1):
        raise ValueError(
            f"{source}: holds unmerged reflections, of which one column of intensities (type J) is merged; it has "
            f"{inventory(mtz)}. Name such a column, or merge them first."
        )
    for column in mtz.columns_with_type("Y"):
        if (np.array(column) >= PARTIAL).any():
            raise ValueError(
                f"{source}: holds observations in parts, spread over several images. Scale and merge them first."
            )
    warnings.warn(
        f"{source}: holds unmerged observations; they were merged to weighted means as they are, Friedel mates "
        "together. Scale and merge them first where that matters.",
        stacklevel=3,
    )
    label = values[0].label
    sigma = mtz.column_with_label(f"SIG{label}") or next(iter(mtz.columns_with_type("Q")), None)
    observations = np.array(values[0], dtype=np.float64)
    sigmas = np.ones_like(observations) if sigma is None else np.array(sigma, dtype=np.float64)
    found = merged(gemmi, mtz.make_miller_array(), observations, sigmas, mtz.cell, mtz.spacegroup, source=source)
    return *found, [label]


def _read_whole(gemmi: Any, path: str) -> Any:
    """The file with its data, once its header has shown that they fit into it: a damaged one may ask for gigabytes."""
    header = gemmi.read_mtz_file(path, with_data=False)
    columns = inventory(header)
    needed = 4 * header.nreflections * len(header.columns)
    compressed = path.endswith(".gz")
    if needed == 0 or (needed > Path(path).stat().st_size and not compressed):
        raise ValueError(f"its header announces {header.nreflections} reflections in columns {columns!r}")
    return gemmi.read_mtz_file(path)
