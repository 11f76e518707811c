"""Laboratory frames of files, rotations, and checks of vectors, in plain numbers."""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from nanobrag_torch.conventions import Vector
from nanobrag_torch.validation import check_finite, fail

#: Frames by name, and the rotation that takes a vector of each to imgCIF's: x along the goniometer, z to the source.
#: In McStas' frame, which NeXus and CrystFEL use, z is along the beam and y is up.
FRAMES: dict[str, np.ndarray] = {"imgCIF": np.eye(3), "McStas": np.diag([-1.0, 1.0, -1.0])}

#: Cosine between fast and slow that refined geometries have.
SQUARE = 1e-2


def as_vector(values: Iterable[float]) -> Vector:
    """Three numbers of an array as plain ones; a negative zero is a zero."""
    x, y, z = (float(value) + 0.0 for value in values)
    return x, y, z


def about(axis: Iterable[float], angle_deg: float) -> np.ndarray:
    """Right-handed rotation (3, 3) about a unit vector."""
    x, y, z = axis
    k, angle = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]]), math.radians(angle_deg)
    turned: np.ndarray = np.eye(3) + math.sin(angle) * k + (1 - math.cos(angle)) * (k @ k)
    return turned


def check_unit(owner: str, name: str, vector: Any) -> None:
    """Raise ``ValueError`` unless a vector has three finite components and length 1."""
    check_finite(owner, name, vector, 3)
    if abs(math.hypot(*vector) - 1) > 1e-6:
        raise fail(owner, name, vector, "a unit vector", "Check the axis.")


def check_rotation(owner: str, name: str, nine: Any) -> None:
    """Raise ``ValueError`` unless nine numbers, row by row, are a rotation."""
    check_finite(owner, name, nine, 9)
    matrix = np.reshape(nine, (3, 3))
    if np.abs(matrix @ matrix.T - np.eye(3)).max() > 1e-6 or np.linalg.det(matrix) < 0:
        raise fail(owner, name, nine, "a rotation: orthonormal rows, right-handed", "Check the goniometer.")


def check_frame(owner: str, record: Any) -> None:
    check_finite(owner, "origin_mm", record.origin_mm, 3)
    check_unit(owner, "fast", record.fast)
    check_unit(owner, "slow", record.slow)
    skew = float(np.dot(record.fast, record.slow))
    if abs(skew) > SQUARE:
        raise fail(owner, "fast and slow", skew, f"perpendicular: a cosine of at most {SQUARE:g}", "Check the axes.")
