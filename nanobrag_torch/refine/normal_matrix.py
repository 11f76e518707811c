"""Normal matrix of a fit: what the data determine, what they leave open in words, errors and correlations."""

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from nanobrag_torch.doctor.fisher import KNOWN

#: Eigenvalues of the normal matrix in units of its diagonal below this part of the largest are zero.
NULL = 1e-8
#: The same below which a direction is told, though the data determine it.
WEAK = 0.05
#: Components of a direction that are told, as a part of the largest.
NOTABLE = 0.1

#: Families of parameters by the beginnings of their names.
FAMILIES = {
    "scale": ("beam.fluence", "crystal.default_F"),
    "N": ("crystal.N_cells", "crystal.fudge"),
    "mosaic spread": ("crystal.mosaic_",),
    "cell": ("crystal.cell_",),
    "misset": ("crystal.turn_deg", "crystal.misset_deg", "crystal.phi_start_deg"),
    "distance": ("detector.distance_mm", "detector.close_distance_mm"),
    "beam centre": ("detector.beam_center_",),
    "wavelength": ("beam.wavelength_A",),
}

#: Families that data may not tell apart, and what is determined.
CONFUSED = (
    ({"N"}, "N_a, N_b and N_c: only their product is determined"),
    ({"scale", "N"}, "scale and N_a N_b N_c: only their combination is determined"),
    ({"N", "mosaic spread"}, "N and mosaic spread: only the width of the spots is determined"),
    (
        {"scale", "N", "mosaic spread"},
        "scale, N and mosaic spread: only brightness and width of the spots are determined",
    ),
    ({"cell", "wavelength"}, "cell and wavelength: only their ratio is determined"),
    ({"cell", "distance"}, "cell and distance: a longer distance and a larger cell leave the spots where they were"),
    ({"distance", "wavelength"}, "distance and wavelength: only their product is determined"),
    ({"cell", "distance", "wavelength"}, "distance, cell and wavelength: only their ratios are determined"),
    (
        {"misset", "beam centre"},
        "beam centre and misset: a turn of the crystal shifts the spots as the beam centre does",
    ),
)
#: Families that move spots: any others of them leave the spots where they were together.
GEOMETRY = ("beam centre", "misset", "cell", "distance", "wavelength")

#: Quantities in the order in which they are held where the data cannot tell them apart: the first of them first.
HELD_FIRST = (
    "beam.wavelength_A", "detector.pixel_size_mm", "crystal.phi_start_deg", "crystal.default_F", "crystal.fudge",
    "detector.detector_twotheta_deg", "detector.detector_rotz_deg", "detector.distance_mm", "detector.",
    "crystal.mosaic", "crystal.N_offdiagonal", "crystal.N_cells", "beam.",
)  # fmt: skip


@dataclass(frozen=True)
class OpenDirection:
    """A combination of parameters about which the data say nothing, or little.

    Attributes:
        components: change of each parameter that takes part, in units of the error that it would have alone.
        eigenvalue: part of the information that is left along it: 0 for none, 1 for parameters that do not interfere.
        words: what it is, and what is determined.
    """

    components: dict[str, float]
    eigenvalue: float
    words: str


def scaled(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """Normal matrix (p, p) with ones on its diagonal, and the roots (p,) of the diagonal; zeros where it has zeros."""
    length = torch.sqrt(torch.diagonal(matrix).clamp_min(0.0))
    divisor = torch.where(length > 0, length, torch.ones_like(length))
    return matrix / divisor[:, None] / divisor, length


def determined(names: Sequence[str], matrix: Tensor) -> list[bool]:
    """True for each parameter that the data determine beside those that are held last.

    A pivot of Cholesky's factorisation is what the data say of a parameter beyond those before it. A restraint is part
    of the matrix, so that a parameter with one is determined.

    Args:
        names: names of the parameters, p of them.
        matrix: normal matrix (p, p).
    """
    unit, length = scaled(matrix)
    order = sorted(range(len(names)), key=lambda i: -rank(names[i]))
    rows: list[Tensor] = []
    kept = [False] * len(names)
    for i in order:
        rest = unit[i, i].clone() if bool(length[i] > 0) else torch.zeros(())
        row = unit[i].clone()
        for other in rows:
            row -= other[i] * other
        rest = row[i]
        if bool(length[i] > 0) and float(rest) > NULL:
            rows.append(row / torch.sqrt(rest))
            kept[i] = True
    return kept


def rank(name: str) -> int:
    """Place in the order in which quantities are held; larger for one that is held later."""
    return next((place for place, start in enumerate(HELD_FIRST) if name.startswith(start)), len(HELD_FIRST))


def covariance(matrix: Tensor, kept: Sequence[bool]) -> Tensor:
    """Covariance (p, p) of the parameters that are kept; zeros for the others.

    Raises ``ValueError`` where the matrix of those is not positive definite.
    """
    chosen = torch.tensor([i for i, keep in enumerate(kept) if keep], dtype=torch.long)
    found = torch.zeros_like(matrix)
    if len(chosen):
        unit, length = scaled(matrix[chosen][:, chosen])
        factor, failed = torch.linalg.cholesky_ex(unit)
        if bool(failed):
            raise ValueError("refine: the normal matrix of the free parameters is singular. Hold or restrain some.")
        inverse = torch.cholesky_inverse(factor) / length[:, None] / length
        found[chosen[:, None], chosen] = inverse
    return found


def open_directions(names: Sequence[str], matrix: Tensor, below: float = NULL) -> list[OpenDirection]:
    """Directions whose scaled eigenvalue is below a part of the largest, with as few parameters as possible.

    Known combinations come first, then pairs, then the rest.

    Args:
        names: names of the parameters, p of them.
        matrix: normal matrix (p, p).
        below: part of the largest eigenvalue.
    """
    unit, length = scaled(matrix)
    silent = [
        OpenDirection({name: 1.0}, 0.0, f"{name}: no pixel depends on it")
        for name, size in zip(names, length, strict=True)
        if not size > 0
    ]
    chosen = [i for i in range(len(names)) if bool(length[i] > 0)]
    if not chosen:
        return silent
    values, vectors = torch.linalg.eigh(unit[chosen][:, chosen])
    count = int((values < below * values[-1]).sum())
    largest = float(values[-1])
    told = [names[i] for i in chosen]
    found = list(
        itertools.islice(_directions(told, unit[chosen][:, chosen], vectors[:, :count], below * largest), count)
    )
    return silent + found


def _directions(names: list[str], unit: Tensor, null: Tensor, least: float) -> Iterator[OpenDirection]:
    """Directions of the space that the columns of ``null`` (p, m) span, the simplest first."""
    found: list[Tensor] = []
    pairs = [(frozenset(pair), "") for pair in itertools.combinations(names, 2)]
    for group, words in [*KNOWN, *pairs]:
        if not group <= set(names):
            continue
        places = [i for i, name in enumerate(names) if name in group]
        values, vectors = torch.linalg.eigh(unit[places][:, places])
        direction = torch.zeros(len(names), dtype=unit.dtype)
        direction[places] = vectors[:, 0]
        if float(values[0]) < least and _is_new(direction, found):
            yield _open(names, direction, float(values[0]), words)
    for column in null.T:
        if _is_new(column, found):
            yield _open(names, column, float(column @ unit @ column), "")


def _is_new(direction: Tensor, found: list[Tensor]) -> bool:
    """True where a unit vector has a part of its own beside those found, which then has that part too."""
    rest = direction.clone()
    for other in found:
        rest -= (rest @ other) * other
    size = float(torch.linalg.vector_norm(rest))
    if size < NOTABLE:
        return False
    found.append(rest / size)
    return True


def _open(names: list[str], direction: Tensor, eigenvalue: float, words: str) -> OpenDirection:
    largest = float(direction.abs().max())
    sign = math.copysign(1.0, float(direction[int(direction.abs().argmax())]))
    parts = {
        name: sign * float(part) / largest
        for name, part in zip(names, direction, strict=True)
        if abs(float(part)) > NOTABLE * largest
    }
    return OpenDirection(parts, max(eigenvalue, 0.0), words or _in_words(list(parts)))


def _in_words(names: list[str]) -> str:
    """Words for parameters that the data do not tell apart, by their families, or by their names."""
    families = {_family(name) for name in names}
    for group, words in CONFUSED:
        if len(names) > 1 and families == group:
            return words
    if len(families) > 1 and families <= set(GEOMETRY):
        *others, last = [family for family in GEOMETRY if family in families]
        return f"{', '.join(others)} and {last}: together they leave the spots where they were"
    return f"{' and '.join(names)}: only their combination is determined"


def _family(name: str) -> str | None:
    return next((family for family, starts in FAMILIES.items() if name.startswith(starts)), None)
