"""From the asymmetric unit of reciprocal space to all of it: P1 with both Friedel mates."""

from typing import Any

import numpy as np
import torch

from nanobrag_torch.io.reflections import StructureFactors, box_around, fill_grid
from nanobrag_torch.validation import check_range


def expand_to_p1(
    indices: np.ndarray, plus: np.ndarray, minus: np.ndarray, space_group: Any
) -> tuple[np.ndarray, np.ndarray]:
    """All symmetry mates of the reflections: distinct indices (m, 3) and their amplitudes (m,).

    ``plus`` and ``minus`` (n,) are the amplitudes of ``indices`` (n, 3) and of their Friedel mates; ``space_group`` is
    a ``gemmi.SpaceGroup``. A rotation R of the group carries h to h R without changing the amplitude; a translation
    changes phases only.
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
    """The record of an asymmetric unit: reflections to ``dmin`` Angstrom, expanded and laid out as a grid.

    ``cell`` is a ``gemmi.UnitCell``, the rest as for :func:`expand_to_p1`. Raises ``ValueError``, naming ``source``,
    where no reflection is left.
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
    indices, amplitudes = expand_to_p1(indices, plus, minus, space_group)
    metadata = box_around(indices, source if dmin is None else f"{source} to {dmin:g} Angstrom")
    grid = fill_grid(metadata, indices, amplitudes, default_F, device, dtype)
    return StructureFactors(grid, metadata, tuple(cell.parameters), space_group.hm)
