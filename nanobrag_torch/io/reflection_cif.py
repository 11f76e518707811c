"""Amplitudes from CIF reflection files: structure factors as the PDB keeps them, and SHELX's .fcf."""

import os
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from nanobrag_torch.io.cif_crystal import cell_in, space_group_in
from nanobrag_torch.io.columns import READINGS, choose_columns, read_columns, root
from nanobrag_torch.io.files import reading, require
from nanobrag_torch.io.merging import merged
from nanobrag_torch.io.reflections import StructureFactors
from nanobrag_torch.io.symmetry import structure_factors_in_p1

#: Items of a small-molecule reflection list that amplitudes are made of, the preferred one first.
SMALL_MOLECULE_ITEMS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "F_squared_meas": root,
    "F_meas": np.abs,
    "intensity_meas": root,
    "F_squared_calc": root,
    "F_calc": np.abs,
}

Found = tuple[np.ndarray, np.ndarray, np.ndarray, tuple[str, ...]]


def read_reflection_cif(
    filepath: str | os.PathLike[str], columns: Sequence[str] | str | None = None, **options: Any
) -> StructureFactors:
    """Amplitudes of a CIF reflection file (also gzipped), as :func:`~nanobrag_torch.io.mtz.read_mtz` gives them.

    The first block of merged reflections counts, with a warning where there are others; where no block is merged, the
    observations of the first are. Cell and space group are those of that block, else of the first block that has them.

    Args:
        filepath: File to read: mmCIF, or a list of a small molecule such as SHELX's .fcf.
        columns: MTZ names that gemmi gives the items of an mmCIF file (``FP``, ``F(+)``, ...), with ``BLOCK/`` before
            that of another block; of a small molecule the item (``F_squared_meas``, ``F_squared_calc``, ...).
        **options: ``dmin`` (Angstrom), ``default_F``, ``device`` and ``dtype``, as for
            :func:`~nanobrag_torch.io.structure_factors.load_structure_factors`.

    Returns:
        The amplitudes; ``stars`` are the columns of ``_diffrn_orient_matrix.UB``, where there is one.

    Raises:
        ValueError: The file has no table of reflections, or no such columns.
        OSError: There is no such file.
        ImportError: gemmi is missing.
    """
    gemmi = require("gemmi", "Reading CIF files")
    source = str(filepath)
    with reading(filepath, "CIF reflection file", "Check that it is whole.") as path:
        everything = gemmi.as_refln_blocks(gemmi.cif.read(path))
        blocks = [block for block in everything if _has_indices(block)]
        if not blocks:
            everything = [gemmi.hkl_cif_as_refln_block(block) for block in gemmi.cif.read(path)]
        document = [block.block for block in everything]
    labels = [columns] if isinstance(columns, str) else columns
    if blocks:
        block, take, labels = _block_of(gemmi, blocks, source, labels)
    elif small := [block for block in everything if _has_indices(block)]:
        block, take = small[0], _small_molecule
    else:
        raise ValueError(f"{source}: this mmCIF file has no table of merged reflections. Give one with _refln items.")
    cell, group = cell_in(gemmi, block.block, document), space_group_in(gemmi, block.block, document)
    if cell is None or group is None:
        raise ValueError(f"{source}: has no space group or no unit cell. Give a file that has both.")
    indices, plus, minus, names = take(gemmi, block, source, labels, cell, group)
    usable = np.isfinite(plus) & np.isfinite(minus)
    if not usable.any():
        raise ValueError(f"{source}: its columns hold no amplitude. Name others with columns=...")
    found = structure_factors_in_p1(
        indices[usable], plus[usable], minus[usable], cell, group, source=source, **options
    )  # fmt: skip
    return replace(found, columns=names, stars=_orientation(gemmi, block.block))


def _block_of(
    gemmi: Any, blocks: list[Any], source: str, labels: Sequence[str] | None
) -> tuple[Any, Callable[..., Found], Sequence[str] | None]:
    """The block that counts, the function that takes its amplitudes, and the labels without the name of the block."""
    named = {label.rpartition("/")[0] for label in labels or ()} - {""}
    if named:
        blocks = [block for block in blocks if block.block.name in named] or blocks
        labels = [label.rpartition("/")[2] for label in labels or ()]
    merged_blocks = [block for block in blocks if block.is_merged() and _has_amplitudes(gemmi, block)]
    if not merged_blocks:
        unmerged = [block for block in blocks if block.is_unmerged()]
        return (unmerged[0], _observations, labels) if unmerged else (blocks[0], _amplitudes, labels)
    names = [block.block.name for block in merged_blocks]
    if len(names) > 1:
        warnings.warn(
            f"{source}: {len(names)} blocks hold merged reflections; {names[0]} was taken. columns=BLOCK/COLUMN "
            f"chooses among {', '.join(names)}.",
            stacklevel=3,
        )
    return merged_blocks[0], _amplitudes, labels


def _has_indices(block: Any) -> bool:
    return bool(block.default_loop) and {"index_h", "index_k", "index_l"} <= set(block.column_labels())


def _has_amplitudes(gemmi: Any, block: Any) -> bool:
    mtz = _converted(gemmi, block)
    letters = set() if mtz is None else {column.type for column in mtz.columns}
    return any(set(kind) <= letters for kind in READINGS)


def _converted(gemmi: Any, block: Any) -> Any:
    """A block of merged reflections as a ``gemmi.Mtz``; None where it has nothing but indices."""
    try:
        return gemmi.CifToMtz().convert_block_to_mtz(block)
    except RuntimeError:
        return None


def _amplitudes(gemmi: Any, block: Any, source: str, labels: Sequence[str] | None, cell: Any, group: Any) -> Found:
    """Merged reflections of an mmCIF block."""
    mtz = _converted(gemmi, block)
    if mtz is None:
        raise ValueError(f"{source}: block {block.block.name} holds no amplitudes. Give another file.")
    chosen = choose_columns(mtz, source, labels)
    return mtz.make_miller_array(), *read_columns(chosen), tuple(column.label for column in chosen)


def _observations(gemmi: Any, block: Any, source: str, labels: Sequence[str] | None, cell: Any, group: Any) -> Found:
    """Observations of an unmerged mmCIF block, merged."""
    item = labels[0] if labels else "intensity_net"
    if item not in block.column_labels():
        has = " ".join(block.column_labels())
        raise ValueError(f"{source}: its unmerged reflections have no {item}, but {has}. Merge them first.")
    warnings.warn(
        f"{source}: no block is merged; the observations of {block.block.name} were merged to weighted means as they "
        "are, Friedel mates together. Scale and merge them first where that matters.",
        stacklevel=3,
    )
    values = block.make_float_array(item, np.nan)
    has_sigma = "intensity_sigma" in block.column_labels()
    sigmas = block.make_float_array("intensity_sigma", np.nan) if has_sigma else np.ones_like(values)
    return *merged(gemmi, block.make_miller_array(), values, sigmas, cell, group, source=source), (item,)


def _small_molecule(gemmi: Any, block: Any, source: str, labels: Sequence[str] | None, cell: Any, group: Any) -> Found:
    """Reflections of a list of a small molecule; a mate that is listed has its own amplitude."""
    has = block.column_labels()
    items = [name for name in (labels or SMALL_MOLECULE_ITEMS) if name in has and name in SMALL_MOLECULE_ITEMS]
    if not items or len(labels or ()) > 1:
        raise ValueError(
            f"{source}: no amplitudes in {'its columns' if labels is None else f'columns = {list(labels)}'}; it has "
            f"{' '.join(has)}. Name one of {', '.join(SMALL_MOLECULE_ITEMS)}."
        )
    amplitudes = SMALL_MOLECULE_ITEMS[items[0]](block.make_float_array(items[0], np.nan))
    return block.make_miller_array(), amplitudes, amplitudes, (items[0],)


def _orientation(gemmi: Any, block: Any) -> tuple[tuple[float, ...], ...] | None:
    """a*, b*, c* as rows, the columns of the block's UB matrix; None unless all nine elements are numbers."""
    elements = [[block.find_value(f"_diffrn_orient_matrix.UB[{i}][{j}]") for i in (1, 2, 3)] for j in (1, 2, 3)]
    stars = [[gemmi.cif.as_number(text) if text else np.nan for text in row] for row in elements]
    return tuple(map(tuple, stars)) if np.isfinite(stars).all() else None
