"""Symmetry of reciprocal space: the asymmetric unit expanded to P1 with both Friedel mates."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from nanobrag_torch.io.columns import root
from nanobrag_torch.io.files import require
from nanobrag_torch.io.reflections import StructureFactors, box_around, fill_grid
from nanobrag_torch.validation import check_choice, check_range


def expand_to_p1(
    indices: np.ndarray, plus: np.ndarray, minus: np.ndarray, space_group: Any
) -> tuple[np.ndarray, np.ndarray]:
    """Expand reflections by the symmetry of their space group.

    A rotation R of the group carries h to h R without changing the amplitude; a translation changes phases only.

    Args:
        indices: Miller indices (n, 3).
        plus: Amplitudes (n,) of the indices.
        minus: Amplitudes (n,) of their Friedel mates.
        space_group: A ``gemmi.SpaceGroup``.

    Returns:
        Distinct indices (m, 3) and their amplitudes (m,).
    """
    rotations = np.unique([np.array(op.rot) // op.DEN for op in space_group.operations().sym_ops], axis=0)
    rotated = np.einsum("ni,rij->rnj", indices, rotations).reshape(-1, 3)
    everything = np.concatenate([rotated, -rotated])
    amplitudes = np.concatenate([np.tile(plus, len(rotations)), np.tile(minus, len(rotations))])
    distinct, first = np.unique(everything, axis=0, return_index=True)
    return distinct, amplitudes[first]


def structure_factors_in_p1(
    indices: np.ndarray,
    plus: np.ndarray,
    minus: np.ndarray,
    cell: Any,
    space_group: Any,
    *,
    source: str,
    dmin: float | None = None,
    default_F: float | torch.Tensor = 0.0,
    device: torch.device | str | None = None,
    dtype: torch.dtype = torch.float32,
) -> StructureFactors:
    """Grid of an asymmetric unit: reflections cut at a resolution and expanded to P1.

    Args:
        indices: Miller indices (n, 3).
        plus: Amplitudes (n,) of the indices, electrons.
        minus: Amplitudes (n,) of their Friedel mates.
        cell: A ``gemmi.UnitCell``; None where it is not known, and then without ``dmin``.
        space_group: A ``gemmi.SpaceGroup``.
        source: Name of the file in errors.
        dmin: Resolution in Angstrom; None keeps all.
        default_F: Amplitude of reflections that are not listed.
        device: Device of the grid.
        dtype: Precision of the grid.

    Raises:
        ValueError: No reflection is left, or an amplitude is not finite.
    """
    check_range(
        f"{source}: reflections",
        "dmin",
        dmin,
        0,
        low_open=True,
        unit="Angstrom",
        optional=True,
        remedy="Give a resolution.",
    )
    if dmin is not None:
        within = cell.calculate_1_d2_array(indices) * dmin**2 <= 1 + 1e-6
        indices, plus, minus = indices[within], plus[within], minus[within]
    if not (np.isfinite(plus).all() and np.isfinite(minus).all()):
        raise ValueError(f"{source}: its amplitudes are not finite. Check the unit cell, occupancies and B factors.")
    indices, amplitudes = expand_to_p1(indices, plus, minus, space_group)
    metadata = box_around(indices, source if dmin is None else f"{source} to {dmin:g} Angstrom")
    grid = fill_grid(metadata, indices, amplitudes, default_F, device, dtype)
    return StructureFactors(grid, metadata, None if cell is None else tuple(cell.parameters), space_group.hm)


#: What the values of a list may be, and the amplitudes that follow.
VALUES: dict[str, Callable[[np.ndarray], np.ndarray]] = {"amplitudes": lambda given: given, "intensities": root}


def structure_factors_of_list(
    indices: np.ndarray,
    values_listed: np.ndarray,
    source: str,
    *,
    values: str,
    space_group: str | None = None,
    default_F: float | torch.Tensor = 0.0,
    device: torch.device | str | None = None,
    dtype: torch.dtype = torch.float32,
) -> StructureFactors:
    """Grid of a list that knows neither cell nor symmetry.

    Args:
        indices: Miller indices (n, 3).
        values_listed: What the list holds (n,).
        source: Name of the file in errors.
        values: A key of :data:`VALUES`.
        space_group: Name of the group by which the list is expanded, with both Friedel mates; None takes it as it is.
        default_F: Amplitude of reflections that are not listed.
        device: Device of the grid.
        dtype: Precision of the grid.

    Raises:
        ValueError: There is no such group, or no such kind of values.
        ImportError: gemmi is missing, and there is a ``space_group``.
    """
    check_choice(source, "values", values, tuple(VALUES))
    amplitudes = VALUES[values](values_listed)
    if space_group is None:
        metadata = box_around(indices, source)
        return StructureFactors(fill_grid(metadata, indices, amplitudes, default_F, device, dtype), metadata)
    group = require("gemmi", "Expanding reflections by their symmetry").find_spacegroup_by_name(space_group)
    if group is None:
        raise ValueError(f"{source}: space_group = {space_group!r} is no space group. Give a symbol such as 'P 21/c'.")
    return structure_factors_in_p1(
        indices, amplitudes, amplitudes, None, group, source=source, default_F=default_F, device=device, dtype=dtype
    )
