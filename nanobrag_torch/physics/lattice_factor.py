"""Lattice factor of a crystal of finite size: one function a shape, and the table that names them.

All take the arguments of :func:`square` (docs/physics.md, Lattice factor).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from nanobrag_torch.physics.safe import grating, sphere

#: Makes a sphere of reciprocal radius 1/N as strong, integrated over a peak, as the parallelepiped.
SPHERE_NORM = 0.723601254558268
#: u^2 at which the amplitude of a Gaussian spot falls to 1/e, and that within which a top-hat spot is full.
GAUSS_WIDTH = 0.63
TOPHAT_LIMIT = 0.3969


@dataclass(frozen=True)
class Domain:
    """Coherent domain of a crystal, as much of it as a lattice factor depends on.

    Attributes:
        cells: Numbers of cells (3,): Na, Nb, Nc.
        offdiagonal: Nd, Ne, Nf (3,) of the domain matrix, for GAUSS and TOPHAT.
        stars: Reciprocal vectors (3, 3) in 1/Angstrom, one a row.
        fudge: Scale of the spot size, 0-d.
        spot_radius: Radius of GAUSS and TOPHAT: "index", or that of "c" [B45].
    """

    cells: Tensor
    offdiagonal: Tensor
    stars: Tensor
    fudge: Tensor
    spot_radius: Literal["c", "index"] = "index"

    def to(self, dtype: torch.dtype) -> "Domain":
        """The same in another precision."""
        cells, offdiagonal, stars, fudge = (
            tensor.to(dtype) for tensor in (self.cells, self.offdiagonal, self.stars, self.fudge)
        )
        return Domain(cells, offdiagonal, stars, fudge, self.spot_radius)


def domain_matrix(cells: Tensor, offdiagonal: Tensor) -> Tensor:
    """Symmetric domain matrix (3, 3) in index space: rows (Na, Nd, Nf), (Nd, Nb, Ne), (Nf, Ne, Nc)."""
    (a, b, c), (d, e, f) = cells.unbind(), offdiagonal.unbind()
    return torch.stack([a, d, f, d, b, e, f, e, c]).reshape(3, 3)


def square(dh: Tensor, dk: Tensor, dl: Tensor, domain: Domain) -> Tensor:
    """Parallelepiped: the product of three gratings.

    Args:
        dh: Fractional index along a* (...): h minus the nearest integer.
        dk: Fractional index along b* (...).
        dl: Fractional index along c* (...).
        domain: The coherent domain.

    Returns:
        The factor (...), whose sign means nothing.
    """
    na, nb, nc = domain.cells.unbind()
    return grating(dh, na) * grating(dk, nb) * grating(dl, nc)


def round_(dh: Tensor, dk: Tensor, dl: Tensor, domain: Domain) -> Tensor:
    """Ellipsoid with the axes of the parallelepiped."""
    na, nb, nc = domain.cells.unbind()
    rho2 = (dh * na) ** 2 + (dk * nb) ** 2 + (dl * nc) ** 2
    return domain.cells.prod() * SPHERE_NORM * sphere(torch.pi**2 * rho2 * domain.fudge)


def gauss(dh: Tensor, dk: Tensor, dl: Tensor, domain: Domain) -> Tensor:
    """Gaussian spot of the domain's size."""
    peak, metric = spot(domain)
    return peak * torch.exp(-_square_radius(dh, dk, dl, metric) / GAUSS_WIDTH * domain.fudge)


def tophat(dh: Tensor, dk: Tensor, dl: Tensor, domain: Domain) -> Tensor:
    """Full within a radius and nothing outside: its gradient is zero almost everywhere."""
    peak, metric = spot(domain)
    return peak * (_square_radius(dh, dk, dl, metric) * domain.fudge < TOPHAT_LIMIT)


def gauss_star(dh: Tensor, dk: Tensor, dl: Tensor, domain: Domain) -> Tensor:
    """Gaussian spot that is round in reciprocal space: alike for all symmetry mates and settings of a lattice."""
    peak, metric = star_spot(domain)
    return peak * torch.exp(-_square_radius(dh, dk, dl, metric) / GAUSS_WIDTH * domain.fudge)


def spot(domain: Domain) -> tuple[Tensor, Tensor]:
    """Peak, 0-d, and metric (3, 3) of GAUSS and TOPHAT: u^2 is the metric's quadratic form of the remainders.

    With the domain matrix M, u = M (dh, dk, dl) and the peak is det M. The C program takes the product of all numbers
    of cells for a length in Angstrom [B45].
    """
    if domain.spot_radius == "index":
        matrix = domain_matrix(domain.cells, domain.offdiagonal)
        return (matrix[0] * torch.linalg.cross(matrix[1], matrix[2])).sum(), matrix @ matrix
    cells = domain.cells.prod()
    return cells, domain.stars @ domain.stars.T * cells**2


def star_spot(domain: Domain) -> tuple[Tensor, Tensor]:
    """Peak and metric of GAUSS_STAR: u = L (dh a* + dk b* + dl c*), L the edge of a cube of the domain's volume."""
    cells, stars = domain.cells.prod(), domain.stars
    volume = 1 / (stars[0] * torch.linalg.cross(stars[1], stars[2])).sum().abs()
    return cells, stars @ stars.T * (cells * volume) ** (2 / 3)


def _square_radius(dh: Tensor, dk: Tensor, dl: Tensor, metric: Tensor) -> Tensor:
    return (
        dh * (dh * metric[0, 0] + 2 * (dk * metric[0, 1] + dl * metric[0, 2]))
        + dk * (dk * metric[1, 1] + 2 * dl * metric[1, 2])
        + dl * dl * metric[2, 2]
    )


LATTICE_FACTORS: dict[str, Callable[[Tensor, Tensor, Tensor, Domain], Tensor]] = {
    "square": square,
    "round": round_,
    "gauss": gauss,
    "tophat": tophat,
    "gauss_star": gauss_star,
}
