"""Do the error bars hold? Pulls over many draws of noise, and the same end by another minimiser."""

import numpy as np
import pytest
import torch
from scipy.optimize import least_squares
from small_stills import drawn, small_still

from nanobrag_torch.refine import refine
from nanobrag_torch.refine.model import Model
from nanobrag_torch.refine.parameters import parameters_of

NAMES = ("crystal.cell_a", "crystal.N_cells[0]", "beam.fluence")
TRUE = {"crystal.cell_a": 40.0, "crystal.N_cells[0]": 7.0, "beam.fluence": 3e27}
SEEDS = 16


@pytest.fixture(scope="module")
def truth():
    return small_still(NAMES)


def test_pulls_have_mean_zero_and_standard_deviation_one(truth):
    image = truth.image()
    start = small_still(NAMES, crystal={"cell_a": 40.02, "N_cells": (6.8, 6.0, 5.0)}, beam={"fluence": 2.9e27})
    results = [refine(start, drawn(image, seed), residuals=0) for seed in range(SEEDS)]
    assert all(result.converged for result in results)
    pulls = np.array([[(r[name].value - true) / r[name].sigma for name, true in TRUE.items()] for r in results])
    # Means of n draws scatter by 1/sqrt(n), their standard deviations by 1/sqrt(2n); four of either.
    assert np.abs(pulls.mean(0)).max() < 4 / SEEDS**0.5
    assert np.abs(pulls.std(0, ddof=1) - 1).max() < 4 / (2 * SEEDS) ** 0.5
    within = (np.abs(pulls) < 1).mean()
    assert abs(within - 0.683) < 4 * (0.683 * 0.317 / pulls.size) ** 0.5


def test_scipys_least_squares_ends_at_the_same_place(truth):
    counts = drawn(10 * truth.image(), 3)
    bright = small_still(NAMES, beam={"fluence": 3e28})
    result = refine(bright, counts, residuals=0)
    parameters, state = parameters_of(bright)
    model = Model.of(bright, parameters, torch.ones(64, 64, dtype=torch.bool))
    seen, sigma = counts[model.slow, model.fast], result.expected.sqrt()

    def residuals(steps):
        moved = {name: state[name] * (1 + 1e-2 * step) for name, step in zip(NAMES, steps, strict=True)}
        return ((seen - model.image(moved)) / sigma).numpy()

    found = least_squares(residuals, np.zeros(3), x_scale="jac", xtol=1e-10, ftol=1e-12)
    for name, step in zip(NAMES, found.x, strict=True):
        # With weights that are held, and no faint pixels left out, the end is the same to a small part of an error.
        assert abs(state[name] * (1 + 1e-2 * step) - result[name].value) < 0.2 * result[name].sigma
    errors = 1e-2 * np.sqrt(np.diag(np.linalg.inv(found.jac.T @ found.jac)))
    for name, error in zip(NAMES, errors, strict=True):
        assert result[name].sigma == pytest.approx(error * state[name], rel=0.02)
