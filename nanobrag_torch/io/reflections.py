"""Dense grids of amplitudes, made of lists of reflections, in which the simulator looks structure factors up.

Every reader of structure factors returns the pair made here: a grid of shape (h_range, k_range, l_range), in electrons,
and its metadata, a dict of integers with ``h_min h_max k_min k_max l_min l_max h_range k_range l_range`` and ``hkls``,
the number of reflections that were read.
"""

import math
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from nanobrag_torch.given import array
from nanobrag_torch.memory import check_memory
from nanobrag_torch.validation import check_finite

Metadata = dict[str, int]

#: Largest grid that is built, in entries: 4 GiB in single precision, far above any crystal of use.
LARGEST_GRID = 2**30
#: Largest index that is accepted: what the C program's integers hold.
LARGEST_INDEX = 2**31 - 1


@dataclass(frozen=True)
class StructureFactors:
    """Amplitudes of one crystal, ready for ``Crystal.hkl_data`` and ``Crystal.hkl_metadata``.

    Attributes:
        grid: Amplitudes (h_range, k_range, l_range), electrons; in P1 with both Friedel mates where symmetry is known.
        metadata: Bounds and ranges of the grid, and ``hkls``.
        cell: a, b, c in Angstrom and alpha, beta, gamma in degrees; None where the file does not know them.
        space_group: Hermann-Mauguin symbol; None where the file does not know it.
        columns: Columns of the reflection table that the amplitudes came from.
        stars: Rows a*, b*, c* in 1/Angstrom, in the file's Cartesian axes; None where it has none.
    """

    grid: torch.Tensor
    metadata: Metadata
    cell: tuple[float, ...] | None = None
    space_group: str | None = None
    columns: tuple[str, ...] = ()
    stars: tuple[tuple[float, ...], ...] | None = None

    def cell_fields(self) -> dict[str, float]:
        """The cell as fields of ``CrystalConfig``; raises ``ValueError`` where the file did not give one."""
        if self.cell is None:
            raise ValueError("These structure factors came without a unit cell. Give cell_a ... cell_gamma yourself.")
        names = ("a", "b", "c", "alpha", "beta", "gamma")
        return {f"cell_{name}": value for name, value in zip(names, self.cell, strict=True)}


def box_metadata(minima: tuple[int, ...], maxima: tuple[int, ...], hkls: int) -> Metadata:
    """The metadata of a grid that spans ``minima`` to ``maxima``, both included."""
    bounds = dict(zip("hkl", zip(minima, maxima, strict=True), strict=True))
    box = {f"{axis}_{name}": bounds[axis][i] for axis in bounds for i, name in enumerate(("min", "max"))}
    ranges = {f"{axis}_range": high - low + 1 for axis, (low, high) in bounds.items()}
    return box | ranges | {"hkls": hkls}


def grid_shape(metadata: Metadata) -> tuple[int, int, int]:
    """(h_range, k_range, l_range)."""
    return metadata["h_range"], metadata["k_range"], metadata["l_range"]


def checked_grid(
    F_grid: torch.Tensor | np.ndarray, metadata: Mapping[str, Any], destination: str | os.PathLike[str]
) -> tuple[np.ndarray, Metadata]:
    """The grid as an array to be written to ``destination``, and its metadata as integers.

    The bounds ``h_min`` ... ``l_max`` may be integers of any type; ranges may stand for the upper ones. Raises
    ``ValueError`` where one is missing or no integer, or the grid does not fit them.
    """

    def whole_number(name: str) -> int:
        value: Any = metadata.get(name)
        with suppress(TypeError, ValueError, OverflowError):
            if int(value) == value:
                return int(value)
        raise ValueError(
            f"{destination}: metadata[{name!r}] = {value!r}: must be an integer. "
            "Give h_min, h_max, k_min, k_max, l_min and l_max of the grid."
        )

    low = [whole_number(f"{axis}_min") for axis in "hkl"]
    high = [
        first + whole_number(f"{axis}_range") - 1
        if f"{axis}_range" in metadata and f"{axis}_max" not in metadata
        else whole_number(f"{axis}_max")
        for axis, first in zip("hkl", low, strict=True)
    ]
    grid = array(F_grid)
    whole = box_metadata(tuple(low), tuple(high), grid.size)
    if grid.shape != grid_shape(whole):
        raise ValueError(
            f"{destination}: the grid has shape {grid.shape}, its metadata {grid_shape(whole)}. "
            "Give those of one reader."
        )
    return grid, whole


def box_around(indices: np.ndarray, source: str) -> Metadata:
    """The metadata of the smallest box that holds all ``indices``, an array (n, 3) of integers or integral reals.

    Raises ``ValueError``, naming ``source``, where there is no reflection or the box is too large to be held in memory.
    """
    if len(indices) == 0:
        raise ValueError(f"{source}: no reflection. At least one is needed; check that this is the file meant.")
    low, high = indices.min(axis=0), indices.max(axis=0)
    shape = [int(last) - int(first) + 1 for first, last in zip(low, high, strict=True)]
    entries = math.prod(shape)
    if entries > LARGEST_GRID or max(np.abs(low).max(), np.abs(high).max()) > LARGEST_INDEX:
        raise ValueError(
            f"{source}: indices from {tuple(low.tolist())} to {tuple(high.tolist())} span "
            f"{min(entries, 10**300):.3g} amplitudes; at most {LARGEST_GRID:.3g} are possible. Check the columns, "
            "or leave out its highest resolution."
        )
    remedy = "Check its columns, or leave out its highest resolution."
    check_memory("amplitude", entries, source, "indices", f"a box of {shape}", remedy)
    return box_metadata(tuple(int(x) for x in low), tuple(int(x) for x in high), len(indices))


def fill_grid(
    metadata: Metadata,
    indices: np.ndarray,
    amplitudes: np.ndarray,
    default_F: float | torch.Tensor = 0.0,
    device: torch.device | str | None = None,
    dtype: torch.dtype = torch.float32,
) -> torch.Tensor:
    """Lay amplitudes out as a grid.

    Args:
        metadata: Bounds of the grid.
        indices: Miller indices (n, 3).
        amplitudes: Amplitudes (n,), electrons; of several for one reflection the last counts.
        default_F: Amplitude everywhere else; its gradient stays connected.
        device: Device of the grid.
        dtype: Precision of the grid.

    Returns:
        Amplitudes (h_range, k_range, l_range).

    Raises:
        ValueError: ``default_F`` is not a finite number.
    """
    check_finite("structure factors", "default_F", [default_F], remedy="Give an amplitude in electrons.")
    shape = grid_shape(metadata)
    low = np.array([metadata["h_min"], metadata["k_min"], metadata["l_min"]])
    place = np.ravel_multi_index(tuple((indices.astype(np.int64) - low).T), shape)
    place, last = np.unique(place[::-1], return_index=True)
    values = np.ascontiguousarray(amplitudes[::-1][last], dtype=np.float64)
    default = torch.as_tensor(default_F, device=device, dtype=dtype)
    grid = default.reshape(1).repeat(int(np.prod(shape)))
    grid[torch.as_tensor(place, device=device)] = torch.as_tensor(values, device=device, dtype=dtype)
    return grid.reshape(shape)
