"""Goodness of a fit: deviance against what counting alone gives, and the part of the pattern that is explained."""

from dataclasses import dataclass

import torch
from torch import Tensor

from nanobrag_torch.refine import likelihood

#: Excess of the deviance, in standard deviations, up to which counting explains it.
BY_CHANCE = 5.0
#: Part of the expected deviance below which counts are none.
QUIET = 0.5


@dataclass(frozen=True)
class Goodness:
    """Agreement of a model with counts.

    Attributes:
        chi2: sum of squared Pearson residuals.
        deviance: twice the loss above the least that any model could reach.
        expected_deviance: what the deviance would be on average if the model were right.
        excess: difference of the two in standard deviations of the former.
        unexplained: the difference as a part of what a flat image on the same background would leave.
        dof: pixels less determined parameters.
    """

    chi2: float
    deviance: float
    expected_deviance: float
    excess: float
    unexplained: float
    dof: int

    @property
    def quiet(self) -> bool:
        """True where the numbers scatter so much less than counts of photons that they are none."""
        return self.excess < -BY_CHANCE and self.deviance < QUIET * self.expected_deviance


def goodness(
    photons: Tensor, expected: Tensor, background: Tensor, noise: float, weights: Tensor, parameters: int
) -> Goodness:
    """Compare counts with a model.

    Args:
        photons: measured (n,).
        expected: expected photons (n,).
        background: expected without the crystal (n,).
        noise: variance of the readout noise.
        weights: weights (n,) of the pixels.
        parameters: number of parameters that were determined.
    """
    chi2 = float((weights * likelihood.pearson(photons, expected, noise) ** 2).sum())
    deviance = float((weights * likelihood.deviance(photons, expected, noise)).sum())
    means, variances = likelihood.expected_deviance(expected, noise)
    mean, spread = float((weights * means).sum()), float((weights * variances).sum()) ** 0.5
    count = float(weights.sum())
    level = float((weights * (photons - background)).sum()) / max(count, 1.0)
    flat = (background + max(level, 0.0)).clamp_min(likelihood.LEAST_EXPECTED)
    without = float((weights * likelihood.deviance(photons, flat, noise)).sum())
    return Goodness(
        chi2=chi2,
        deviance=deviance,
        expected_deviance=mean,
        excess=(deviance - mean) / max(spread, 1e-300),
        unexplained=(deviance - mean) / max(without - mean, 1e-300),
        dof=int(torch.count_nonzero(weights)) - parameters,
    )
