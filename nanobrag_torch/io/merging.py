"""Weighted means of observations of the same reflection."""

import logging
from typing import Any

import numpy as np

from nanobrag_torch.io.columns import root

_log = logging.getLogger(__name__)


def merged(
    gemmi: Any,
    indices: np.ndarray,
    intensities: np.ndarray,
    sigmas: np.ndarray,
    cell: Any,
    space_group: Any,
    *,
    source: str,
    anomalous: bool = False,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Merge observations to one reflection of the asymmetric unit each, weighted by 1/sigma^2 (gemmi).

    Observations that are not finite, or whose sigma is not positive (XDS marks misfits so), do not count.

    Args:
        gemmi: The library.
        indices: Miller indices (n, 3).
        intensities: Intensities (n,).
        sigmas: Their standard deviations (n,).
        cell: A ``gemmi.UnitCell``.
        space_group: A ``gemmi.SpaceGroup``.
        source: Name of the file in messages.
        anomalous: Keep Friedel mates apart.

    Returns:
        Indices (m, 3), amplitudes (m,) of them and of their mates; each takes the other's where it was not observed.

    Raises:
        ValueError: No observation is left.
    """
    usable = np.isfinite(intensities) & np.isfinite(sigmas) & (sigmas > 0)
    if not usable.any():
        raise ValueError(f"{source}: no observation has a positive sigma. Check that this is the file meant.")
    table = gemmi.Intensities()
    table.set_data(
        cell, space_group, np.ascontiguousarray(indices[usable], dtype=np.int32),
        np.ascontiguousarray(intensities[usable]), np.ascontiguousarray(sigmas[usable]),
    )  # fmt: skip
    kind = gemmi.DataType.Anomalous if anomalous else gemmi.DataType.Mean
    table.prepare_for_merging(kind)
    table.merge_in_place(kind)
    distinct, place = np.unique(table.miller_array, axis=0, return_inverse=True)
    hands = np.full((2, len(distinct)), np.nan)
    sign, values = np.array(table.isign_array), root(np.array(table.value_array))
    for row, kept in enumerate((sign >= 0, sign <= 0)):
        hands[row, place.reshape(-1)[kept]] = values[kept]
    plus, minus = (np.where(np.isnan(own), other, own) for own, other in (hands, hands[::-1]))
    words = "" if anomalous else ", Friedel mates together"
    _log.info("%s: %d observations were merged to %d reflections%s.", source, usable.sum(), len(distinct), words)
    return distinct, plus, minus


def mean_by_index(indices: np.ndarray, values: np.ndarray, sigmas: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distinct indices (m, 3) of (n, 3), and the mean (m,) of the values (n,) of each, weighted by 1/sigma^2.

    A value whose sigma is not positive counts only where no other has the index.
    """
    weights = np.full(len(values), np.finfo(np.float64).tiny ** 0.5)
    weights[sigmas > 0] = 1 / np.maximum(sigmas[sigmas > 0], 1e-60) ** 2
    distinct, place = np.unique(indices, axis=0, return_inverse=True)
    total, weight = (np.bincount(place.reshape(-1), weights=each) for each in (weights * values, weights))
    return distinct, total / weight
