"""Statistics of counts against scipy's distributions, sums over all counts, and finite differences."""

import numpy as np
import pytest
import torch
from scipy import stats

from nanobrag_torch.refine import likelihood

MEANS = [1e-5, 0.03, 0.8, 7.0, 120.0]


def counts_to(largest):
    return torch.arange(largest, dtype=torch.float64)


@pytest.mark.parametrize("mean", MEANS)
def test_the_loss_is_the_logarithm_of_poissons_probability_up_to_a_constant(mean):
    k = counts_to(40)
    ours = likelihood.loss(k, torch.full_like(k, mean)) - likelihood.loss(k, torch.full_like(k, 2.0))
    theirs = stats.poisson.logpmf(k.numpy(), 2.0) - stats.poisson.logpmf(k.numpy(), mean)
    np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("noise", [0.0, 4.0])
def test_the_score_is_the_derivative_of_the_loss(noise):
    k, mean, step = counts_to(9), torch.full((9,), 2.5, dtype=torch.float64), 1e-5
    ahead, behind = (likelihood.loss(k, mean + sign * step, noise) for sign in (1, -1))
    found = likelihood.score(k, mean, noise)
    assert found.abs().max() > 0.1
    np.testing.assert_allclose(found, (ahead - behind) / (2 * step), rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("mean", MEANS)
@pytest.mark.parametrize("sigma", [0.0, 0.3, 3.0])
def test_with_gaussian_noise_the_score_has_mean_zero_and_the_information_as_its_variance(mean, sigma):
    k = np.arange(int(mean + 14 * mean**0.5 + 30))
    probability = stats.poisson.pmf(k, mean)
    nodes, weights = np.polynomial.hermite_e.hermegauss(12)  # exact for polynomials of a normal deviate
    read = torch.from_numpy((k[:, None] + sigma * nodes).ravel())
    chance = torch.from_numpy((probability[:, None] * weights / weights.sum()).ravel())
    expected = torch.full_like(read, mean)
    score = likelihood.score(read, expected, sigma**2)
    information = float(likelihood.weight(expected, sigma**2)[0])
    assert float((chance * score).sum()) == pytest.approx(0, abs=1e-8 * information**0.5)
    assert float((chance * score**2).sum()) == pytest.approx(information, rel=1e-7)


def test_residuals_are_in_units_of_scipys_standard_deviation():
    k, mean = counts_to(20), torch.full((20,), 6.0, dtype=torch.float64)
    np.testing.assert_allclose(likelihood.pearson(k, mean), (k.numpy() - 6) / stats.poisson.std(6.0), rtol=1e-12)


@pytest.mark.parametrize("mean", [2e-4, 0.07, 1.3, 33.0])
def test_mean_and_variance_of_the_deviance_are_those_of_a_sum_over_all_counts(mean):
    k = np.arange(300)
    chance = stats.poisson.pmf(k, mean)
    with np.errstate(divide="ignore", invalid="ignore"):
        deviance = 2 * (mean - k + np.where(k > 0, k * np.log(k / mean), 0.0))
    first = (chance * deviance).sum()
    found = likelihood.expected_deviance(torch.tensor([mean], dtype=torch.float64))
    assert float(found[0]) == pytest.approx(first, rel=5e-3)
    assert float(found[1]) == pytest.approx((chance * (deviance - first) ** 2).sum(), rel=1e-2)
