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
        cells: Numbers of cells (3,).
        stars: Reciprocal vectors (3, 3) in 1/Angstrom, one a row.
        fudge: Scale of the spot size, 0-d.
        spot_radius: Radius of GAUSS and TOPHAT: "index", or that of "c" [B45].
    """

    cells: Tensor
    stars: Tensor
    fudge: Tensor
    spot_radius: Literal["c", "index"] = "index"

    def to(self, dtype: torch.dtype) -> "Domain":
        """The same in another precision."""
        return Domain(self.cells.to(dtype), self.stars.to(dtype), self.fudge.to(dtype), self.spot_radius)


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


def spot(domain: Domain) -> tuple[Tensor, Tensor]:
    """Peak, 0-d, and metric (3, 3) of GAUSS and TOPHAT: u^2 is the metric's quadratic form of the remainders.

    The metric that is right is N^2 along each axis of the index. The C program's is a length in 1/Angstrom times a
    number of cells, which is no number [B45].
    """
    if domain.spot_radius == "index":
        return domain.cells.prod(), torch.diag(domain.cells**2)
    cells = domain.cells.prod()
    return cells, domain.stars @ domain.stars.T * cells**2


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
}
