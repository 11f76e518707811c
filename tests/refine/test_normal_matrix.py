"""Normal matrices: what is determined, against numpy's rank and inverse."""

import numpy as np
import pytest
import torch

from nanobrag_torch.refine.normal_matrix import covariance, determined, open_directions

NAMES = ("crystal.cell_a", "crystal.cell_b", "beam.fluence", "crystal.default_F")


def matrix_of(columns):
    rows = torch.tensor(columns, dtype=torch.float64).T
    return rows.T @ rows


@pytest.fixture
def columns():
    generator = np.random.default_rng(5)
    return generator.normal(size=(4, 30)) * np.array([1, 10, 1e-20, 1e3])[:, None]


def test_errors_are_those_of_the_inverse(columns):
    matrix = matrix_of(columns)
    assert determined(NAMES, matrix) == [True] * 4
    scale = np.sqrt(matrix.diagonal().numpy())
    inverse = np.linalg.inv(matrix.numpy() / np.outer(scale, scale)) / np.outer(scale, scale)
    np.testing.assert_allclose(covariance(matrix, [True] * 4), inverse, rtol=1e-8)
    assert open_directions(NAMES, matrix) == []


def test_of_two_parameters_that_do_one_thing_the_less_wanted_one_is_held(columns):
    columns[3] = 2e23 * columns[2]
    matrix = matrix_of(columns)
    assert np.linalg.matrix_rank(columns / np.linalg.norm(columns, axis=1)[:, None]) == 3
    assert determined(NAMES, matrix) == [True, True, True, False]
    (found,) = open_directions(NAMES, matrix)
    assert found.components == pytest.approx({"beam.fluence": 1.0, "crystal.default_F": -1.0})
    assert found.words == "only fluence times F² enters"
    errors = covariance(matrix, [True, True, True, False]).diagonal()
    assert float(errors[3]) == 0
    assert float(errors[2]) > 0


def test_a_combination_of_three_is_told_by_its_names(columns):
    columns[1] = columns[0] + 3e20 * columns[2]
    matrix = matrix_of(columns)
    (found,) = open_directions(NAMES, matrix)
    assert set(found.components) == set(NAMES[:3])
    assert found.words == "crystal.cell_a and crystal.cell_b and beam.fluence: only their combination is determined"
    assert sum(determined(NAMES, matrix)) == 3


def test_a_parameter_without_any_effect_is_told(columns):
    columns[1] = 0
    matrix = matrix_of(columns)
    assert determined(NAMES, matrix) == [True, False, True, True]
    assert open_directions(NAMES, matrix)[0].words == "crystal.cell_b: no pixel depends on it"
