"""Measured or calculated amplitudes from MTZ files and from mmCIF reflection files, expanded to P1."""

import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from nanobrag_torch.io.files import reading, require
from nanobrag_torch.io.reflections import StructureFactors
from nanobrag_torch.io.symmetry import structure_factors_in_p1

_log = logging.getLogger(__name__)

FriedelPair = tuple[np.ndarray, np.ndarray]


def _same(amplitude: np.ndarray) -> FriedelPair:
    return amplitude, amplitude


def _split(amplitude: np.ndarray, difference: np.ndarray) -> FriedelPair:
    half = np.nan_to_num(difference) / 2
    return amplitude + half, amplitude - half


def _pair(plus: np.ndarray, minus: np.ndarray) -> FriedelPair:
    return np.where(np.isnan(plus), minus, plus), np.where(np.isnan(minus), plus, minus)


def _root(intensity: np.ndarray) -> np.ndarray:
    root: np.ndarray = np.sqrt(np.maximum(intensity, 0))
    return root


#: Amplitudes of h and -h, by the MTZ types of the columns they are made of, the preferred one first: an anomalous pair,
#: a mean with its anomalous difference, a mean, then the same from intensities (negative ones count as zero).
READINGS: dict[str, Callable[..., FriedelPair]] = {
    "GG": _pair,
    "FD": _split,
    "F": _same,
    "KK": lambda plus, minus: _pair(_root(plus), _root(minus)),
    "J": lambda intensity: _same(_root(intensity)),
}


def read_mtz(
    filepath: str | os.PathLike[str], columns: Sequence[str] | str | None = None, **options: Any
) -> StructureFactors:
    """Amplitudes of a merged MTZ file (also gzipped), in P1 with both Friedel mates.

    Reflections without a value are left out.

    Args:
        filepath: File to read.
        columns: One or two columns whose types are a row of :data:`READINGS`, for example ``"FP"`` or
            ``("F(+)", "F(-)")``; None takes the first such columns of the file and says in the log which they are.
        **options: ``dmin`` (Angstrom), ``default_F``, ``device`` and ``dtype``, as for
            :func:`~nanobrag_torch.io.structure_factors.load_structure_factors`.

    Raises:
        ValueError: The file is no merged MTZ file, or has no such columns.
        OSError: There is no such file.
        ImportError: gemmi is missing.
    """
    gemmi = require("gemmi", "Reading MTZ files")
    with reading(filepath, "MTZ file", "Check that it is whole and merged.") as path:
        mtz = _read_whole(gemmi, path)
    return _amplitudes(mtz, str(filepath), columns, options)


def read_reflection_cif(
    filepath: str | os.PathLike[str], columns: Sequence[str] | str | None = None, **options: Any
) -> StructureFactors:
    """Amplitudes of an mmCIF reflection file (also gzipped), as :func:`read_mtz` gives them.

    The first block with reflections counts.

    Args:
        filepath: File to read.
        columns: MTZ names that gemmi gives the items of the file (``FP``, ``F(+)``, ...).
        **options: ``dmin`` (Angstrom), ``default_F``, ``device`` and ``dtype``, as for
            :func:`~nanobrag_torch.io.structure_factors.load_structure_factors`.

    Returns:
        The amplitudes; ``stars`` are the columns of ``_diffrn_orient_matrix.UB``, where there is one.

    Raises:
        ValueError: The file has no table of merged reflections, or no such columns.
        OSError: There is no such file.
        ImportError: gemmi is missing.
    """
    gemmi = require("gemmi", "Reading mmCIF files")
    with reading(filepath, "mmCIF reflection file", "Check that it is whole.") as path:
        blocks = [block for block in gemmi.as_refln_blocks(gemmi.cif.read(path)) if block.default_loop]
        mtz = gemmi.CifToMtz().convert_block_to_mtz(blocks[0]) if blocks else None
        stars = _orientation(gemmi, blocks[0].block) if blocks else None
    if mtz is None:
        raise ValueError(f"{filepath}: this mmCIF file has no table of merged reflections. Give one with _refln items.")
    return replace(_amplitudes(mtz, str(filepath), columns, options), stars=stars)


def _orientation(gemmi: Any, block: Any) -> tuple[tuple[float, ...], ...] | None:
    """a*, b*, c* as rows, the columns of the block's UB matrix; None unless all nine elements are numbers."""
    elements = [[block.find_value(f"_diffrn_orient_matrix.UB[{i}][{j}]") for i in (1, 2, 3)] for j in (1, 2, 3)]
    stars = [[gemmi.cif.as_number(text) if text else np.nan for text in row] for row in elements]
    return tuple(map(tuple, stars)) if np.isfinite(stars).all() else None


def _read_whole(gemmi: Any, path: str) -> Any:
    """The file with its data, once its header has shown that they fit into it: a damaged one may ask for gigabytes."""
    header = gemmi.read_mtz_file(path, with_data=False)
    columns = _inventory(header)
    needed = 4 * header.nreflections * len(header.columns)
    compressed = path.endswith(".gz")
    if needed == 0 or (needed > Path(path).stat().st_size and not compressed):
        raise ValueError(f"its header announces {header.nreflections} reflections in columns {columns!r}")
    return gemmi.read_mtz_file(path)


def _amplitudes(
    mtz: Any, source: str, columns: Sequence[str] | str | None, options: dict[str, Any]
) -> StructureFactors:
    if mtz.batches:
        raise ValueError(f"{source}: holds unmerged reflections. Merge them first.")
    if mtz.spacegroup is None or not mtz.cell.is_crystal():
        raise ValueError(f"{source}: has no space group or no unit cell. Give a file that has both.")
    chosen = _choose_columns(mtz, source, columns)
    plus, minus = _read_columns(mtz, chosen)
    indices = mtz.make_miller_array()
    usable = np.isfinite(plus) & np.isfinite(minus)
    if not usable.any():
        raise ValueError(f"{source}: its columns hold no amplitude. Name others with columns=...")
    found = structure_factors_in_p1(
        indices[usable], plus[usable], minus[usable], mtz.cell, mtz.spacegroup, source=source, **options
    )
    return replace(found, columns=tuple(column.label for column in chosen))


def _read_columns(mtz: Any, chosen: Sequence[Any]) -> FriedelPair:
    kind = "".join(column.type for column in chosen)
    return READINGS[kind](*(np.array(column, dtype=np.float64) for column in chosen))


def _choose_columns(mtz: Any, source: str, wanted: Sequence[str] | str | None) -> list[Any]:
    if wanted is not None:
        return _named_columns(mtz, source, [wanted] if isinstance(wanted, str) else list(wanted))
    for kind in READINGS:
        candidates = [mtz.columns_with_type(letter) for letter in kind]
        # An anomalous pair stands in one order in the file: h first, then -h.
        chosen = list(candidates[0][:2]) if kind in ("GG", "KK") else [found[0] for found in candidates if found]
        if len(chosen) == len(kind):
            labels = ", ".join(column.label for column in chosen)
            _log.info("%s: amplitudes from %s; columns=... chooses others of %s.", source, labels, _inventory(mtz))
            return chosen
    raise ValueError(
        f"{source}: no column holds amplitudes or intensities; it has {_inventory(mtz)}. Give another file."
    )


def _named_columns(mtz: Any, source: str, labels: list[str]) -> list[Any]:
    chosen = [mtz.column_with_label(label) for label in labels]
    kinds = "".join(column.type if column is not None else "?" for column in chosen)
    if kinds not in READINGS:
        raise ValueError(
            f"{source}: columns = {labels} are no amplitudes; it has {_inventory(mtz)} (name:type). "
            f"Name columns of the types {', '.join(READINGS)}."
        )
    return chosen


def _inventory(mtz: Any) -> str:
    return " ".join(f"{column.label}:{column.type}" for column in mtz.columns)
