"""Starts that are off by more than a spot's width: found, or not converged and said so."""

import numpy as np
import pytest
from small_stills import FREE, drawn, small_still

from nanobrag_torch.refine import refine
from nanobrag_torch.refine.capture import captured, turned, wide
from nanobrag_torch.refine.fit import Fit
from nanobrag_torch.refine.observed import observed
from nanobrag_torch.refine.parameters import parameters_of

FAR = {"crystal": {"misset_deg": (13.2, 24.0, 36.3), "cell_a": 40.3}, "beam": {"fluence": 2.2e27}}


@pytest.fixture(scope="module")
def counts():
    return drawn(small_still().image(), 4)


def fit_of(scenario, counts):
    parameters, state = parameters_of(scenario)
    return Fit(scenario, parameters, observed(scenario, counts), 0.0, None, {}, 60, None), state


def test_wide_spots_keep_their_photons(counts):
    fit, state = fit_of(small_still(), counts)
    stage, begin = wide(fit, state, 0.6)
    cells = [float(n) for n in stage.scenario.crystal.N_cells]
    assert cells == pytest.approx([4.2, 3.6, 3.0])
    assert "crystal.N_cells[0]" not in stage.parameters.names
    photons = stage.problem(stage.usable).model.image(begin).sum()
    assert float(photons) == pytest.approx(float(small_still().image().sum()), rel=0.25)


def test_a_start_that_is_off_by_a_degree_and_a_hundredth_of_the_cell_is_captured(counts):
    fit, state = fit_of(small_still(**FAR), counts)
    found = captured(fit, state)
    assert found["crystal.cell_a"] == pytest.approx(40.0, abs=0.1)
    assert [found[f"crystal.misset_deg[{i}]"] for i in range(3)] == pytest.approx([12, 25, 37], abs=0.25)
    result = refine(small_still(**FAR), counts)
    assert result.converged, result.reason
    true = {"crystal.cell_a": 40.0, "crystal.cell_b": 50.0, "beam.fluence": 3e27, "crystal.N_cells[2]": 5.0}
    assert max(abs(result[name].value - value) / result[name].sigma for name, value in true.items()) < 4


def test_a_grid_of_turns_finds_the_most_likely_one(counts):
    fit, state = fit_of(small_still(crystal={"misset_deg": (12.0, 25.0, 38.0)}), counts)
    found = turned(fit, state, (-1.0, 0.0, 1.0))
    assert [found[f"crystal.misset_deg[{i}]"] for i in range(3)] == pytest.approx([12, 25, 37], abs=0.6)


def test_a_start_that_leads_nowhere_is_not_converged_and_has_no_errors(counts):
    elsewhere = small_still(FREE, crystal={"misset_deg": (70.0, -40.0, 5.0)})
    result = refine(elsewhere, counts, max_steps=15, residuals=0, capture=False)
    assert not result.converged
    assert "unexplained" in result.reason or "not converged" in result.reason or "no step" in result.reason
    assert all(each.sigma is None for each in (*result.parameters, *result.turns))
    assert np.all(result.covariance.numpy() == 0)
    assert str(result).startswith("Not converged")
