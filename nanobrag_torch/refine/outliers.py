"""Residuals as messages: the worst pixels with their reflections, robust weights, influence of each reflection."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from nanobrag_torch.refine import likelihood

#: Residual in standard deviations from which on a robust fit takes weight from a pixel.
KNEE = 4.0
#: Knees beyond which a pixel counts not at all.
HOPELESS = 50.0
#: Rings in which the level of quiet pixels is taken.
RINGS = 16
#: Pixels whose weight is below this are counted as left out.
LEFT_OUT = 0.5


@dataclass(frozen=True)
class Residual:
    """A pixel that a model does not describe.

    Attributes:
        slow: slow index.
        fast: fast index.
        hkl: reflection that is brightest there.
        observed: photons measured.
        expected: photons expected.
        residual: difference in expected standard deviations.
        contribution: what it adds to the deviance.
        part: that as a part of the deviance of all pixels.
        weight: weight that it had in the fit.
    """

    slow: int
    fast: int
    hkl: tuple[int, int, int]
    observed: float
    expected: float
    residual: float
    contribution: float
    part: float
    weight: float


def signed_root(photons: Tensor, expected: Tensor, noise: float) -> Tensor:
    """Root (n,) of the deviance with the sign of the difference: normal where many photons are expected."""
    return torch.sqrt(likelihood.deviance(photons, expected, noise).clamp_min(0)) * torch.sign(photons - expected)


def quiet_level(photons: Tensor, angles: Tensor) -> Tensor:
    """Photons (n,) of a quiet pixel of the same ring: the mean of the ring's darker nine tenths, at least a hundredth.

    Args:
        photons: measured (n,).
        angles: scattering angle (n,) of each pixel, by which rings of equally many pixels are formed.
    """
    level = torch.empty_like(photons)
    for ring in torch.argsort(angles).tensor_split(min(RINGS, len(photons))):
        quiet = photons[ring].sort().values[: -(-9 * len(ring) // 10)]
        level[ring] = quiet.mean().clamp_min(0.01)
    return level


def robust_weights(photons: Tensor, expected: Tensor, noise: float, knee: float = KNEE) -> Tensor:
    """Weights (n,) that fall with the square of the residual beyond a knee: (knee / residual)^2, else 1.

    A pixel of a zinger pulls the less the farther it is off, and beyond ``HOPELESS`` knees not at all: where next to
    nothing is expected, the logarithm of a zinger would call for a little more of it for ever.
    """
    size = signed_root(photons, expected, noise).abs()
    weights = torch.where(size > knee, (knee / size.clamp_min(knee)) ** 2, torch.ones_like(size))
    return torch.where(size > HOPELESS * knee, torch.zeros_like(size), weights)


def worst(
    count: int, slow: Tensor, fast: Tensor, photons: Tensor, expected: Tensor, noise: float, weights: Tensor,
    indices: Tensor,
) -> tuple[Residual, ...]:  # fmt: skip
    """The pixels that contribute most to the deviance, the worst first.

    Args:
        count: number of pixels wanted.
        slow: slow indices (n,).
        fast: fast indices (n,).
        photons: measured (n,).
        expected: expected photons (n,).
        noise: variance of the readout noise.
        weights: weights (n,) of the fit.
        indices: Miller indices (n, 3).
    """
    shares = likelihood.deviance(photons, expected, noise)
    roots = signed_root(photons, expected, noise)
    total = float(shares.sum())
    chosen = torch.argsort(shares, descending=True)[:count].tolist()
    return tuple(
        Residual(
            int(slow[i]), int(fast[i]), _triple(indices[i].tolist()), float(photons[i]), float(expected[i]),
            float(roots[i]), float(shares[i]), float(shares[i]) / max(total, 1e-300), float(weights[i]),
        )
        for i in chosen
    )  # fmt: skip


def _triple(values: Sequence[int]) -> tuple[int, int, int]:
    h, k, l = values
    return int(h), int(k), int(l)


def influence(jacobian: Tensor, slope: Tensor, covariance: Tensor, number: Tensor, count: int) -> Tensor:
    """Shift (reflections, p) of each parameter, in standard errors, that each reflection's pixels ask for.

    To first order the parameters would move by as much the other way without that reflection.

    Args:
        jacobian: derivatives (p, n) of the expected photons.
        slope: weighted score (n,) of the pixels.
        covariance: covariance (p, p) of the parameters.
        number: reflection (n,) of each pixel.
        count: number of reflections.
    """
    pulls = jacobian.new_zeros((count, len(jacobian))).index_add(0, number, (jacobian * slope).T)
    errors = torch.sqrt(torch.diagonal(covariance))
    return -(pulls @ covariance) / torch.where(errors > 0, errors, torch.full_like(errors, torch.inf))
