"""Refinement of noisy stills: the C program's at known truth within its own errors, and what is refused."""

import json

import numpy as np
import pytest
import torch
from noisy_stills import still
from scipy.spatial.transform import Rotation
from small_stills import drawn, small_still

import nanobrag_torch
from nanobrag_torch.refine import refine

#: Largest errors at 1e5 photons: degrees, the sum over a, b, c in Å, cells, part of the fluence.
LIMITS = (0.005, 0.025, 0.2, 0.01)


@pytest.fixture(scope="module", params=["r01", "r03"])
def refined(request):
    held = still(request.param)
    return held, refine(held.scenario(), held.photons, system=held.system)


def rotation_between(held, result):
    """Rotation vector from the true orientation to the one that was found, in degrees."""
    true, found = (
        Rotation.from_euler("xyz", angles, degrees=True)
        for angles in (held.truth["misset"], [float(angle) for angle in result.scenario.crystal.misset_deg])
    )
    return (found * true.inv()).as_rotvec(degrees=True)


def test_a_still_of_the_c_program_is_refined_within_the_limits_of_its_photons(refined):
    held, result = refined
    assert result.converged, result.reason
    assert result.steps < 25
    true = held.true_values()
    off = {name: result[name].value - true[name] for name in true if name in result.scenario.names}
    errors = (
        np.linalg.norm(rotation_between(held, result)),
        sum(abs(off[f"crystal.cell_{axis}"]) for axis in "abc"),
        max(abs(off[f"crystal.N_cells[{i}]"]) for i in range(3)),
        abs(off["beam.fluence"] / true["beam.fluence"]),
    )
    allowed = (1e5 / held.photons.sum()) ** 0.5
    for error, limit in zip(errors, LIMITS, strict=True):
        assert error < limit * allowed


def test_the_truth_lies_within_four_standard_errors(refined):
    held, result = refined
    true = held.true_values()
    pulls = [(result[name].value - true[name]) / result[name].sigma for name in true if name in result.scenario.names]
    pulls += [part / turn.sigma for part, turn in zip(rotation_between(held, result), result.turns, strict=True)]
    assert np.abs(pulls).max() < 4
    assert np.std(pulls) > 0.3


def test_start_and_end_are_told(refined):
    held, result = refined
    assert result["crystal.cell_a"].start == held.start["cell"][0]
    assert float(result.scenario.crystal.cell_a) == result["crystal.cell_a"].value
    assert result["crystal.cell_a"].unit == "Å"
    assert len(result.history) >= result.steps
    assert result.goodness.excess < 5
    assert result.chi2 / result.dof < 1
    assert not result.null_directions
    assert not result.held


@pytest.mark.parametrize("refined", ["r03"], indirect=True)  # the cubic one
def test_tied_edges_have_one_value_and_one_error(refined):
    _, result = refined
    assert result["crystal.cell_b"].value == result["crystal.cell_a"].value
    assert result["crystal.cell_b"].sigma == result["crystal.cell_a"].sigma
    assert result["crystal.cell_b"].note == "equals a"


def test_the_result_shows_itself_and_is_written_whole(refined, tmp_path):
    _, result = refined
    shown = result._repr_html_()
    for each in (*result.parameters, *result.turns):
        assert str(each) in str(result)
        assert str(each) in shown
    result.to_json(tmp_path / "fit.json")
    held = json.loads((tmp_path / "fit.json").read_text(encoding="utf-8"))
    assert held["converged"] is True
    assert held["parameters"][0]["value"] == result.parameters[0].value
    assert [path.name for path in tmp_path.iterdir()] == ["fit.json"]


def test_correlations_are_those_of_the_covariance(refined):
    _, result = refined
    table = result.correlation
    np.testing.assert_allclose(np.diag(table), 1.0)
    assert -1 < table.loc["crystal.N_cells[0]", "beam.fluence"] < -0.3  # more cells need less light
    errors = result.covariance.diagonal().sqrt()
    assert float(errors[0]) == result["crystal.cell_a"].sigma


def test_worst_residuals_name_the_reflection_that_lights_the_pixel(refined):
    held, result = refined
    worst = result.worst[0]
    assert worst.observed == held.photons[worst.slow, worst.fast]
    assert worst.contribution == max(each.contribution for each in result.worst)
    # h . a = 1 for the scattering vector of the pixel, within half an index, by hand.
    cell = result.scenario.simulator().unit_cell().direct.numpy()
    pixel, distance = 0.4, held.truth["distance"]
    across = pixel * (np.array([worst.fast, worst.slow]) - 127.5)
    place = np.array([distance, *across])
    for signs in ((1, 1), (1, -1), (-1, 1), (-1, -1)):
        seen = np.array([place[0], signs[0] * place[2], signs[1] * place[1]])
        q = (seen / np.linalg.norm(seen) - [1, 0, 0]) / 1.2
        if np.abs(cell @ q - worst.hkl).max() < 0.6:
            return
    pytest.fail(f"{worst} has another reflection")


def test_the_front_door_gives_the_same_function():
    assert callable(nanobrag_torch.refine)
    truth = small_still(("beam.fluence",))
    result = nanobrag_torch.refine(truth, drawn(truth.image(), 5))
    assert isinstance(result, nanobrag_torch.RefinementResult)
    assert result.converged


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda k: -k - 1, "at least 0"),
        (lambda k: torch.where(k == k.max(), torch.nan, k), "finite numbers"),
        (lambda k: k[:-1], r"counts.shape = \(63, 64\): must be \(spixels, fpixels\) = \(64, 64\)"),
        (lambda k: 0 * k, "an image with counts in it"),
        (lambda k: k.to(torch.complex64), "a real type"),
    ],
)
def test_counts_that_no_detector_gives_are_refused(change, words):
    truth = small_still(("beam.fluence",))
    with pytest.raises(ValueError, match=words):
        refine(truth, change(drawn(truth.image(), 5)))


@pytest.mark.parametrize(
    ("keywords", "words"),
    [
        ({"mask": torch.zeros(64, 64)}, "all pixels masked"),
        ({"mask": torch.ones(64, 63)}, "mask.shape"),
        ({"gain": 0.0}, "greater than 0"),
        ({"readout_noise": -1.0}, "at least 0"),
        ({"background": -1.0}, "at least 0"),
        ({"background": torch.ones(3, 3)}, "background.shape"),
        ({"background": "flat"}, "one of plane, radial"),
        ({"shoeboxes": "everywhere"}, "one of predicted"),
        ({"shoeboxes": [(0, 80, 0, 10)]}, "within"),
        ({"restraints": {"crystal.cell_a": (40.0, 1.0)}}, "one of the free names"),
        ({"restraints": {"beam.fluence": (3e27, 0.0)}}, "greater than 0"),
        ({"max_steps": 0}, "at least 1"),
        ({"unexplained": 2.0}, "at most 1"),
        ({"engine": "fast"}, "one of auto"),
    ],
)
def test_arguments_that_make_no_refinement_are_refused_by_name(keywords, words):
    truth = small_still(("beam.fluence",))
    with pytest.raises(ValueError, match=words):
        refine(truth, drawn(truth.image(), 5), **keywords)


def test_saturated_pixels_are_left_out_and_counted():
    truth = small_still(("beam.fluence",))
    counts = drawn(truth.image(), 5).clamp_max(255).to(torch.uint8)
    saturated = int((counts == 255).sum())
    assert saturated > 3
    result = refine(truth, counts)
    assert result.remarks[0] == f"{saturated} saturated pixels (from 255 counts on) are left out"
    assert abs(result["beam.fluence"].value - 3e27) < 4 * result["beam.fluence"].sigma
