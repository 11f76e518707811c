"""The likelihood of an image: gradient against finite differences, information against its closed form."""

import numpy as np
import pytest
import torch
from small_stills import FREE, drawn, small_still

from nanobrag_torch.refine import background as backgrounds
from nanobrag_torch.refine.model import Model
from nanobrag_torch.refine.parameters import parameters_of
from nanobrag_torch.refine.problem import Problem

SHAPE = (64, 64)
BOXES = [(8, 30, 5, 40), (31, 60, 5, 60)]


@pytest.fixture(scope="module")
def truth():
    return small_still()


def problem_of(scenario, background="none", restraints=None, noise=0.0):
    """A problem a little away from its truth, its state and coefficients."""
    parameters, state = parameters_of(scenario)
    chosen = torch.zeros(SHAPE, dtype=torch.bool)
    for first, last, left, right in BOXES:
        chosen[first : last + 1, left : right + 1] = True
    model = Model.of(scenario, parameters, chosen)
    counts = drawn(scenario.image() + 0.5, 3)[model.slow, model.fast]
    state = {**state, "crystal.cell_a": 40.02, "crystal.misset_deg[1]": 25.02, "beam.fluence": 2.7e27}
    made = {
        "none": lambda: backgrounds.given(0.4, SHAPE, model.slow, model.fast),
        "plane": lambda: backgrounds.planes(BOXES, SHAPE, model.slow, model.fast),
        "radial": lambda: backgrounds.radial(model.angles(), 4),
    }[background]()
    problem = Problem(model, counts, made, noise, torch.ones_like(counts), restraints or {})
    return problem, state, made.start(counts, model.image(state))


def whole_step(problem, point, step):
    """Coefficients after a step of the coordinates that they follow."""
    moved = torch.einsum("bqp,p->bq", point.background_follows, step)
    return point.coefficients + moved


@pytest.mark.parametrize("background", ["none", "plane", "radial"])
def test_the_gradient_is_the_slope_of_the_loss_along_each_coordinate(truth, background):
    restraints = {"crystal.cell_b": (50.1, 0.05), "crystal.misset_deg[0]": (12.1, 0.05), "beam.fluence": (3e27, 1e26)}
    problem, state, coefficients = problem_of(truth, background, restraints, noise=2.0)
    point = problem.at(state, coefficients)
    for i, name in enumerate(problem.model.parameters.names):
        step = torch.zeros(len(FREE), dtype=torch.float64)
        step[i] = 1e-3 / float(point.matrix[i, i]) ** 0.5
        losses = [
            problem.at(problem.model.parameters.moved(state, sign * step), whole_step(problem, point, sign * step)).loss
            for sign in (1, -1)
        ]
        slope = (losses[0] - losses[1]) / (2 * float(step[i]))
        assert abs(slope) > 0
        assert float(point.gradient[i]) == pytest.approx(slope, rel=2e-4, abs=2e-4 / float(step[i])), name


def test_a_background_takes_information_that_the_whole_matrix_would_take(truth):
    problem, state, coefficients = problem_of(truth, "plane")
    point = problem.at(state, coefficients)
    _, jacobian = problem.model.with_derivatives(state)
    functions, block = problem.background.functions, problem.background.block
    rows = [functions[j] * (block == number) for number in range(len(BOXES)) for j in range(3)]
    whole = torch.cat([jacobian, torch.stack(rows)])
    inverse = torch.linalg.inv((whole / point.expected) @ whole.T)
    mine = torch.linalg.inv(point.matrix)
    np.testing.assert_allclose(mine.diagonal(), inverse.diagonal()[: len(mine)], rtol=1e-5)


def test_photons_are_those_of_the_simulator(truth):
    problem, state, _ = problem_of(truth)
    photons, _ = problem.model.with_derivatives(state)
    values = {name: torch.tensor(value, dtype=torch.float64) for name, value in state.items()}
    image = truth.image(values)[problem.model.slow, problem.model.fast]
    assert float(image.max()) > 10
    np.testing.assert_allclose(photons, image, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(problem.model.image(state), image, rtol=1e-9, atol=1e-12)


def test_scattering_angles_are_those_of_distance_and_place(truth):
    model = problem_of(truth)[0].model
    detector = truth.simulator().detector.config
    across = (
        (torch.stack([model.fast, model.slow]) + 0.5) * 0.5
        - torch.tensor([[float(detector.beam_center_f)], [float(detector.beam_center_s)]])
        - 0.25
    )
    expected = torch.atan2(torch.hypot(*across.double()), torch.tensor(60.0, dtype=torch.float64))
    np.testing.assert_allclose(model.angles(), expected, atol=2e-2)
