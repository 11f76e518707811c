"""Fisher information of an image about parameters under photon counting, and the directions it leaves undetermined."""

import itertools
import math
from collections.abc import Iterator

import torch
from torch import Tensor

from .records import Fisher, NullDirection

#: Singular values of the scaled sensitivities below this part of the largest are zero.
RANK_TOLERANCE = 1e-8
#: Components of a null direction that are reported, as a part of the largest.
NOTABLE = 1e-2

#: Sets of quantities that no image tells apart, and why.
KNOWN: tuple[tuple[frozenset[str], str], ...] = (
    (frozenset({"crystal.misset_deg[2]", "crystal.phi_start_deg"}), "misset z and φ₀ turn the crystal about one axis"),
    (
        frozenset({"detector.detector_rotz_deg", "detector.detector_twotheta_deg"}),
        "the z rotation and 2θ turn the detector about one axis",
    ),
    (frozenset({"beam.fluence", "crystal.default_F"}), "only fluence times F² enters"),
    (
        frozenset({"crystal.cell_a", "crystal.cell_b", "crystal.cell_c", "beam.wavelength_A"}),
        "cell and wavelength scaled together leave every angle as it was",
    ),
    (
        frozenset({
            "detector.distance_mm", "detector.pixel_size_mm", "detector.beam_center_s", "detector.beam_center_f",
        }),
        "all lengths of the detector scaled together leave the image as it was",
    ),
)  # fmt: skip


def fisher(names: tuple[str, ...], sensitivities: Tensor, image: Tensor) -> Fisher:
    """Compute the Fisher information in an image about n parameters.

    Counting statistics weigh a pixel by 1/expected photons; pixels that expect none hold no information.

    Args:
        names: names of the parameters, n of them.
        sensitivities: derivatives (pixels, n) of the image by the parameters, in photons per unit.
        image: expected photons (pixels,).

    Returns:
        Matrix, rank, standard errors and null directions.
    """
    lit = image > 0
    weighted = sensitivities[lit].double() / torch.sqrt(image[lit].double())[:, None]
    matrix = weighted.T @ weighted
    length = torch.sqrt(torch.diagonal(matrix))
    length = torch.where(length > 0, length, torch.ones_like(length))
    _, values, rows = torch.linalg.svd(weighted / length, full_matrices=len(weighted) < len(names))
    values = torch.cat([values, values.new_zeros(len(names) - len(values))])
    kept = values > RANK_TOLERANCE * values[0] if bool(values[0] > 0) else torch.zeros_like(values, dtype=torch.bool)
    rank = int(kept.sum())
    errors = correlations = None
    if rank == len(names):
        inverse = (rows.T / values**2) @ rows
        spread = torch.sqrt(torch.diagonal(inverse))
        errors = tuple((spread / length).tolist())
        correlations = _rows(inverse / spread[:, None] / spread)
    return Fisher(
        names=names,
        matrix=_rows(matrix),
        rank=rank,
        condition=float(values[0] / values[-1]) ** 2 if rank == len(names) else math.inf,
        standard_errors=errors,
        correlations=correlations,
        null_directions=tuple(_null_directions(names, weighted / length, rows[~kept], length)),
    )


def _null_directions(names: tuple[str, ...], scaled: Tensor, null: Tensor, length: Tensor) -> Iterator[NullDirection]:
    """Find null directions with as few parameters as possible: known sets, then proportional pairs, then the rest.

    Args:
        names: names of the parameters, n of them.
        scaled: sensitivities (pixels, n), weighted, of unit length each.
        null: orthonormal basis (m, n) of the null space.
        length: lengths (n,) of the weighted sensitivities.
    """
    pairs = [(frozenset(pair), "") for pair in itertools.combinations(names, 2)]
    found: list[Tensor] = []
    for group, known in [*KNOWN, *pairs]:
        if len(found) == len(null) or not group <= set(names):
            continue
        chosen = [i for i, name in enumerate(names) if name in group]
        _, values, rows = torch.linalg.svd(scaled[:, chosen], full_matrices=False)
        if bool(values[-1] > RANK_TOLERANCE * values[0]):
            continue
        direction = torch.zeros(len(names), dtype=scaled.dtype, device=scaled.device)
        direction[chosen] = rows[-1]
        rest = _outside(direction, found)
        if bool(torch.linalg.vector_norm(rest) > NOTABLE):
            found.append(rest / torch.linalg.vector_norm(rest))
            yield _null(names, direction, float(values[-1]) ** 2, length, known)
    for direction in null:
        rest = _outside(direction, found)
        if len(found) < len(null) and bool(torch.linalg.vector_norm(rest) > NOTABLE):
            found.append(rest / torch.linalg.vector_norm(rest))
            yield _null(names, rest, float(torch.linalg.vector_norm(scaled @ rest)) ** 2, length, "")


def _outside(direction: Tensor, found: list[Tensor]) -> Tensor:
    """Part of a direction at right angles to those found already, which are so among themselves."""
    for other in found:
        direction = direction - (direction @ other) * other
    return direction


def _null(names: tuple[str, ...], direction: Tensor, eigenvalue: float, length: Tensor, known: str) -> NullDirection:
    """Convert a null direction to the parameters' own units, its component of largest effect on the image set to one.

    Args:
        names: names of the parameters, n of them.
        direction: direction (n,) in scaled parameters.
        eigenvalue: eigenvalue of the scaled information along it.
        length: lengths (n,) of the weighted sensitivities.
        known: reason, empty if none is known.
    """
    effect = direction.abs()
    own = direction / length
    own = own / own[int(effect.argmax())]
    notable = {n: float(d) for n, d, e in zip(names, own, effect, strict=True) if e > NOTABLE * effect.max()}
    return NullDirection(notable, eigenvalue, known)


def _rows(matrix: Tensor) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(row) for row in matrix.tolist())
