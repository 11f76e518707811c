"""Scattering vectors and Miller indices."""

import torch
from torch import Tensor


def scattering_vector(diffracted: Tensor, incident: Tensor, wavelength: Tensor) -> Tensor:
    """q = (d - i)/lambda in 1/m: ``diffracted`` (..., 3), ``incident`` (S, 3), ``wavelength`` (S,) -> (..., S, 3)."""
    return (diffracted[..., None, :] - incident) / wavelength[:, None]


def miller_index(q: Tensor, direct: Tensor) -> Tensor:
    """Real Miller index h = a . q: ``q`` (..., S, 3), ``direct`` (..., O, 3) in metres -> (..., S, O).

    Nine multiply-adds, written out: a matrix product would need the orientations to be the same for every sample.
    """
    qx, qy, qz = q[..., None].unbind(-2)
    ax, ay, az = direct.unbind(-1)
    return qx * ax + qy * ay + qz * az


def is_resolved(q: Tensor, dmin: float) -> Tensor:
    """True where a sample lies within the resolution ``dmin`` (metres): d = 1/|q| >= dmin, and q = 0 always."""
    square = (q * q).sum(-1)
    return (square <= 0) | (dmin**2 * square <= 1)


def sin_theta_over_lambda(q: Tensor) -> Tensor:
    """stol = |q|/2 in 1/m, for reports."""
    return torch.sqrt((q * q).sum(-1)) / 2
