"""Lattice factor of a crystal of finite size: one function a shape, and the table that names them.

All take the arguments of :func:`square` (docs/physics.md, Lattice factor).
"""

from collections.abc import Callable

import torch
from torch import Tensor

from nanobrag_torch.physics.safe import grating, sphere

#: Makes a sphere of reciprocal radius 1/N as strong, integrated over a peak, as the parallelepiped.
SPHERE_NORM = 0.723601254558268
#: r^2 at which the Gaussian falls to 1/e, and that within which a top-hat spot is full.
GAUSS_WIDTH = 0.63
TOPHAT_LIMIT = 0.3969


def square(dh: Tensor, dk: Tensor, dl: Tensor, cells: Tensor, stars: Tensor, fudge: Tensor) -> Tensor:
    """Parallelepiped: the product of three gratings.

    Args:
        dh: Fractional index along a* (...): h minus the nearest integer.
        dk: Fractional index along b* (...).
        dl: Fractional index along c* (...).
        cells: Numbers of cells (3,).
        stars: Reciprocal vectors (3, 3) in 1/Angstrom, one a row.
        fudge: Scale of the spot size, 0-d.

    Returns:
        The factor (...), whose sign means nothing.
    """
    na, nb, nc = cells.unbind()
    return grating(dh, na) * grating(dk, nb) * grating(dl, nc)


def round_(dh: Tensor, dk: Tensor, dl: Tensor, cells: Tensor, stars: Tensor, fudge: Tensor) -> Tensor:
    """Ellipsoid with the axes of the parallelepiped."""
    na, nb, nc = cells.unbind()
    rho2 = (dh * na) ** 2 + (dk * nb) ** 2 + (dl * nc) ** 2
    return cells.prod() * SPHERE_NORM * sphere(torch.pi**2 * rho2 * fudge)


def gauss(dh: Tensor, dk: Tensor, dl: Tensor, cells: Tensor, stars: Tensor, fudge: Tensor) -> Tensor:
    """Gaussian spot of the crystal's mean size."""
    return cells.prod() * torch.exp(-_reciprocal_radius(dh, dk, dl, cells, stars) / GAUSS_WIDTH * fudge)


def tophat(dh: Tensor, dk: Tensor, dl: Tensor, cells: Tensor, stars: Tensor, fudge: Tensor) -> Tensor:
    """Full within a radius and nothing outside: its gradient is zero almost everywhere."""
    inside = _reciprocal_radius(dh, dk, dl, cells, stars) * fudge < TOPHAT_LIMIT
    return cells.prod() * inside


def _reciprocal_radius(dh: Tensor, dk: Tensor, dl: Tensor, cells: Tensor, stars: Tensor) -> Tensor:
    """|dh a* + dk b* + dl c*|^2 (Na Nb Nc)^2, with the reciprocal vectors in 1/Angstrom as in the C program."""
    metric = stars @ stars.T
    square_length = (
        dh * (dh * metric[0, 0] + 2 * (dk * metric[0, 1] + dl * metric[0, 2]))
        + dk * (dk * metric[1, 1] + 2 * dl * metric[1, 2])
        + dl * dl * metric[2, 2]
    )
    return square_length * cells.prod() ** 2


LATTICE_FACTORS: dict[str, Callable[[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor], Tensor]] = {
    "square": square,
    "round": round_,
    "gauss": gauss,
    "tophat": tophat,
}
