"""Interference, polarization and interpolation under their established names."""

import torch
from torch import Tensor

from nanobrag_torch.physics import polarization, safe
from nanobrag_torch.physics.rotation import broadcast
from nanobrag_torch.utils.tensor_utils import as_tensor_preserving_grad, floating


def sincg(u: Tensor, N: Tensor) -> Tensor:
    """sin(N u)/sin(u) for whole ``N``, with its sign; ``u`` = pi h is an angle, not an index. Shapes broadcast.

    At multiples of pi it takes its limit, N or -N.
    """
    u = floating(u)
    nearest, fractional = safe.fraction(u / torch.pi)
    cells = as_tensor_preserving_grad(N, u.device, u.dtype)
    negative = (nearest * (cells.detach() - 1)) % 2 != 0
    value = safe.grating(fractional, cells)
    return torch.where(negative, -value, value)


def sinc3(x: Tensor) -> Tensor:
    """3 (sin x / x - cos x) / x^2, the transform of a sphere; 1 at zero."""
    x = floating(x)
    return safe.sphere(x * x)


def polarization_factor(kahn_factor: float | Tensor, incident: Tensor, diffracted: Tensor, axis: Tensor) -> Tensor:
    """Polarization factor for directions that need not be of unit length.

    Args:
        kahn_factor: 0 for an unpolarised beam, 1 for one polarised along ``axis``.
        incident: Directions (..., 3) of propagation.
        diffracted: Directions (..., 3) towards the detector.
        axis: Direction (..., 3) of the E vector.

    Returns:
        The factor (...).
    """
    incident, diffracted, axis = (floating(v) for v in broadcast(incident, diffracted, axis))
    kahn = as_tensor_preserving_grad(kahn_factor, incident.device, incident.dtype)
    incident, diffracted, axis = safe.unit(incident), safe.unit(diffracted), safe.unit(axis)
    return polarization.polarization_factor(diffracted, incident[..., None, :], axis[..., None, :], kahn)[..., 0]


def polint(xa: Tensor, ya: Tensor, x: Tensor) -> Tensor:
    """The polynomial through the points ``xa``, ``ya`` (..., n) at ``x`` (...); four points make a cubic."""
    return torch.einsum("...m,...m->...", _lagrange(xa, x), ya)


def polin2(x1a: Tensor, x2a: Tensor, ya: Tensor, x1: Tensor, x2: Tensor) -> Tensor:
    """The polynomial through a grid of points on two axes.

    Args:
        x1a: Nodes (..., n) of the first axis.
        x2a: Nodes (..., n) of the second axis.
        ya: Values (..., n, n).
        x1: Position (...) on the first axis.
        x2: Position (...) on the second axis.

    Returns:
        Values (...).
    """
    return torch.einsum("...m,...n,...mn->...", _lagrange(x1a, x1), _lagrange(x2a, x2), ya)


def polin3(x1a: Tensor, x2a: Tensor, x3a: Tensor, ya: Tensor, x1: Tensor, x2: Tensor, x3: Tensor) -> Tensor:
    """The polynomial through a grid of points on three axes.

    Args:
        x1a: Nodes (..., n) of the first axis.
        x2a: Nodes (..., n) of the second axis.
        x3a: Nodes (..., n) of the third axis.
        ya: Values (..., n, n, n).
        x1: Position (...) on the first axis.
        x2: Position (...) on the second axis.
        x3: Position (...) on the third axis.

    Returns:
        Values (...).
    """
    weights = _lagrange(x1a, x1), _lagrange(x2a, x2), _lagrange(x3a, x3)
    return torch.einsum("...m,...n,...p,...mnp->...", *weights, ya)


polint_vectorized = polint
polin2_vectorized = polin2
polin3_vectorized = polin3


def _lagrange(nodes: Tensor, x: Tensor) -> Tensor:
    """Weights (..., n) of arbitrary distinct ``nodes`` (..., n): the product over the others of (x - xn)/(xm - xn)."""
    nodes, x = nodes.to(torch.promote_types(nodes.dtype, torch.float32)), torch.as_tensor(x)
    own = torch.eye(nodes.shape[-1], dtype=torch.bool, device=nodes.device)
    spacing = nodes[..., :, None] - nodes[..., None, :]
    ratio = (x[..., None, None] - nodes[..., None, :]) / torch.where(own, 1.0, spacing)
    return torch.where(own, 1.0, ratio).prod(-1)
