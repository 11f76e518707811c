"""Statistics of counts: Poisson, and readout noise by matched mean and variance, in closed forms.

All take counts and expected counts of one shape (n,), in photons, and the variance of the readout noise, a number or
(n,). Counts with readout noise are treated as Poisson after adding that variance to both: mean and variance are right,
so that the score has mean zero and its variance is the information, for a Gaussian noise of any size.
"""

import math
from functools import cache

import numpy as np
import torch
from torch import Tensor

#: Least expected photons: a count where a model expects nothing is unlikely, not impossible.
LEAST_EXPECTED = 1e-6

Noise = float | Tensor


def loss(counts: Tensor, expected: Tensor, noise: Noise = 0.0) -> Tensor:
    """Minus the logarithm of the likelihood of each count (n,), up to a constant that the counts decide."""
    mean = expected + noise
    return mean - (counts + noise) * torch.log(mean)


def score(counts: Tensor, expected: Tensor, noise: Noise = 0.0) -> Tensor:
    """Derivative (n,) of :func:`loss` by the expected counts."""
    return (expected - counts) / (expected + noise)


def weight(expected: Tensor, noise: Noise = 0.0) -> Tensor:
    """Expected second derivative (n,) of :func:`loss`: the Fisher information in a count about its mean."""
    return 1 / (expected + noise)


def pearson(counts: Tensor, expected: Tensor, noise: Noise = 0.0) -> Tensor:
    """Residuals (n,) in units of their expected standard deviation."""
    return (counts - expected) / torch.sqrt(expected + noise)


def deviance(counts: Tensor, expected: Tensor, noise: Noise = 0.0) -> Tensor:
    """Twice the loss above the least that any model could reach (n,), with the sign left out."""
    mean, seen = expected + noise, (counts + noise).clamp_min(0.0)
    found: Tensor = 2 * (mean - seen + torch.special.xlogy(seen, seen / mean))
    return found


def expected_deviance(expected: Tensor, noise: Noise = 0.0) -> tuple[Tensor, Tensor]:
    """Mean (n,) and variance (n,) of :func:`deviance` where the model is right.

    Where few counts are expected they are far from those of a chi-squared distribution (1 and 2), which is why a sum of
    them is no test of fit.
    """
    places, means, variances = _moments()
    at = torch.log(expected + noise).cpu().numpy()
    found = (np.interp(at, places, each) for each in (means, variances))
    mean, variance = (torch.from_numpy(each).to(expected) for each in found)
    return mean, variance


@cache
def _moments() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Logarithms of means of Poisson distributions, and mean and variance of the deviance at each, by summation."""
    means = np.geomspace(1e-9, 1e3, 241)
    moments = np.array([_moments_at(float(mean)) for mean in means])
    return np.log(means), moments[:, 0], moments[:, 1]


def _moments_at(mean: float) -> tuple[float, float]:
    k = torch.arange(math.ceil(mean + 12 * math.sqrt(mean) + 25), dtype=torch.float64)
    probability = torch.exp(k * math.log(mean) - mean - torch.lgamma(k + 1))
    values = deviance(k, torch.full_like(k, mean))
    first = float((probability * values).sum())
    return first, float((probability * (values - first) ** 2).sum())
