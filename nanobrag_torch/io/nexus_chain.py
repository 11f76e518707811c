"""Chains of NeXus transformations: from a dataset through ``depends_on`` to the frame of the laboratory."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from nanobrag_torch.memory import check_memory

#: Factor to metres, Angstrom, degrees and seconds; a dataset without units is in the first of each.
METRES = {"m": 1.0, "mm": 1e-3, "um": 1e-6, "micron": 1e-6, "nm": 1e-9}
ANGSTROM = {"angstrom": 1.0, "angstroms": 1.0, "a": 1.0, "nm": 10.0, "m": 1e10}
SECONDS = {"s": 1.0, "second": 1.0, "seconds": 1.0, "ms": 1e-3, "us": 1e-6}
DEGREES = {"deg": 1.0, "degree": 1.0, "degrees": 1.0, "rad": 180.0 / np.pi}


def chain(file: Any, start: Any, group: Any) -> Iterator[Any]:
    """The transformations from ``start`` (a path, perhaps relative to ``group``) outwards to the laboratory."""
    seen = set()
    while (name := text(start)) != ".":
        link = file[name] if name.startswith("/") else group[name]
        if link.name in seen:
            raise ValueError(f"transformation {link.name} depends on itself")
        seen.add(link.name)
        yield link
        start, group = link.attrs.get("depends_on", "."), link.parent


def pose(file: Any, start: Any, group: Any) -> tuple[np.ndarray, np.ndarray]:
    """Rotation (3, 3) and translation (3,) in metres that a chain amounts to, at the first setting of each axis."""
    rotation, translation = np.eye(3), np.zeros(3)
    for link in chain(file, start, group):
        offset = np.array(link.attrs.get("offset", np.zeros(3)), float)
        offset = offset * METRES[text(link.attrs.get("offset_units", "m"))]
        if kind(link) == "rotation":
            turn = _rotation(vector(link), np.radians(number(link, DEGREES)))
            rotation, translation = turn @ rotation, turn @ translation + offset
        else:
            translation = translation + number(link, METRES) * vector(link) + offset
    return rotation, translation


def _rotation(axis: np.ndarray, angle: float) -> np.ndarray:
    x, y, z = axis * angle
    generator = torch.tensor([[0, -z, y], [z, 0, -x], [-y, x, 0]], dtype=torch.float64)
    turned: np.ndarray = torch.linalg.matrix_exp(generator).numpy()
    return turned


def vector(link: Any) -> np.ndarray:
    """The axis of a transformation, a unit vector (3,)."""
    axis = np.array(link.attrs["vector"], float)
    length = np.linalg.norm(axis)
    # What another program wrote in single precision is made a unit vector; what is one already keeps its last digit.
    return axis if abs(length - 1) < 1e-12 else axis / length


def kind(link: Any) -> str:
    """ "rotation" or "translation"."""
    return text(link.attrs["transformation_type"])


def array(dataset: Any) -> np.ndarray:
    """The values of a dataset, once they are known to fit into memory: a few bytes may claim to be terabytes.

    Raises ``ValueError`` where they do not.
    """
    remedy = "Give a file with fewer images."
    check_memory("byte of an array in a file", dataset.nbytes, dataset.name, "shape", dataset.shape, remedy)
    return np.array(dataset)


def number(dataset: Any, units: dict[str, float]) -> float:
    """The first value of a dataset, in the base unit of ``units``."""
    return float(array(dataset).reshape(-1)[0]) * scale(dataset, units)


def scale(dataset: Any, units: dict[str, float]) -> float:
    """The factor from a dataset's unit to the base unit of ``units``. Raises ``ValueError`` for a unit not in it."""
    name = text(dataset.attrs.get("units", next(iter(units))))
    if name.lower() not in units:
        raise ValueError(f"{dataset.name} is in {name!r}, which is none of {', '.join(units)}")
    return units[name.lower()]


def ub_matrix(sample: Any) -> np.ndarray | None:
    """Reciprocal vectors (3, 3) in 1/Angstrom, one a row, with the goniometer at zero; None where a sample has none.

    Raises ``ValueError`` for a matrix that spans no cell.
    """
    if "ub_matrix" not in sample:
        return None
    nine = array(sample["ub_matrix"]).astype(float).reshape(-1)
    if len(nine) != 9 or not np.isfinite(nine).all() or np.linalg.det(nine.reshape(3, 3)) == 0:
        raise ValueError(f"{sample.name}/ub_matrix must be nine numbers that span a cell")
    stars: np.ndarray = nine.reshape(3, 3).T
    return stars


def text(value: Any) -> str:
    """A string that HDF5 gave as bytes or as text."""
    return value.decode() if isinstance(value, bytes) else str(value)
