"""Orientation matrices in the manner of MOSFLM: nine numbers, wavelength times A."""

import os

import numpy as np

from nanobrag_torch.given import number
from nanobrag_torch.io.files import read_bytes
from nanobrag_torch.validation import LARGEST, check_range

_REMEDY = "The file must begin with nine numbers: the x, then y, then z components of a*, b*, c*, times the wavelength."

Stars = tuple[np.ndarray, np.ndarray, np.ndarray]


def read_mosflm_matrix(filepath: str | os.PathLike[str], wavelength_A: float) -> Stars:
    """Reciprocal vectors a*, b*, c*, each (3,), in 1/Angstrom.

    Comments, from ``#`` to the end of the line, and what follows the nine numbers do not count.
    Raises ``OSError`` where there is no such file, ``ValueError`` where it does not begin with nine numbers that span
    a cell, or where the wavelength is not positive.
    """
    wavelength_A = number(wavelength_A)
    check_range("read_mosflm_matrix", "wavelength_A", wavelength_A, 0, low_open=True, remedy="Give it in Angstrom.")
    text = read_bytes(filepath, "orientation matrix").decode("utf-8-sig", errors="replace")
    words = [word for line in text.splitlines() for word in line.split("#", 1)[0].split()][:9]
    try:
        matrix = np.array([float(word) for word in words]).reshape(3, 3)
    except ValueError:
        raise ValueError(f"{filepath}: {' '.join(words)[:80]!r} is no orientation matrix. {_REMEDY}") from None
    if not np.abs(matrix).max() < LARGEST:
        raise ValueError(f"{filepath}: an element is not finite, or not below {LARGEST:g}. {_REMEDY}")
    lengths = np.linalg.norm(matrix, axis=0)
    if not abs(np.linalg.det(matrix)) > 1e-9 * lengths.prod():
        raise ValueError(f"{filepath}: the vectors {matrix.T.tolist()} span no cell. {_REMEDY}")
    a_star, b_star, c_star = (matrix / wavelength_A).T
    return a_star, b_star, c_star


def write_mosflm_matrix(
    filepath: str | os.PathLike[str], a_star: np.ndarray, b_star: np.ndarray, c_star: np.ndarray, wavelength_A: float
) -> None:
    """Write three reciprocal vectors so that ``read_mosflm_matrix`` reads them at the same wavelength.

    Args:
        filepath: File to write.
        a_star: a* (3,), 1/Angstrom.
        b_star: b* (3,), 1/Angstrom.
        c_star: c* (3,), 1/Angstrom.
        wavelength_A: Wavelength, Angstrom.
    """
    rows = np.stack([a_star, b_star, c_star], axis=1) * wavelength_A
    np.savetxt(filepath, rows, fmt="%20.15f")


def reciprocal_to_real_cell(
    a_star: np.ndarray, b_star: np.ndarray, c_star: np.ndarray
) -> tuple[float, float, float, float, float, float]:
    """Cell lengths in Angstrom and angles in degrees of reciprocal vectors in 1/Angstrom.

    Raises ``ValueError`` where the vectors span no cell.
    """
    stars = np.stack([a_star, b_star, c_star]).astype(np.float64)
    if not np.isfinite(stars).all() or np.linalg.det(stars) == 0:
        raise ValueError(f"reciprocal vectors {stars.tolist()} span no cell. Check the orientation matrix.")
    a, b, c = np.linalg.inv(stars).T
    angles = [_angle(b, c), _angle(c, a), _angle(a, b)]
    lengths = [float(np.linalg.norm(vector)) for vector in (a, b, c)]
    return (*lengths, *angles)  # type: ignore[return-value]


def _angle(u: np.ndarray, v: np.ndarray) -> float:
    return float(np.degrees(np.arctan2(np.linalg.norm(np.cross(u, v)), u @ v)))
