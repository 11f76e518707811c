"""Backgrounds that are refined along, shoeboxes, gain and readout noise, and fits that are watched or broken off."""

import numpy as np
import pytest
import torch
from small_stills import CELL_AND_MISSET, drawn, small_still

from nanobrag_torch.refine import refine

FREE = (*CELL_AND_MISSET, "beam.fluence")
TRUE = {"crystal.cell_a": 40.0, "crystal.cell_b": 50.0, "crystal.cell_c": 60.0, "beam.fluence": 3e27}
START = {"crystal": {"cell_a": 40.03}, "beam": {"fluence": 2.8e27}}


def largest_pull(result):
    assert result.converged, result.reason
    return max(abs(result[name].value - true) / result[name].sigma for name, true in TRUE.items())


@pytest.fixture(scope="module")
def image():
    return small_still(FREE).image()


@pytest.fixture(scope="module")
def slope():
    """A background that falls over the image, photons."""
    slow = torch.arange(64, dtype=torch.float64)
    return (3.0 - slow / 40)[:, None] + slow[None, :] / 60


def test_planes_in_predicted_shoeboxes_take_a_background_that_nobody_knows(image, slope):
    result = refine(small_still(FREE, **START), drawn(image + slope, 2), "plane")
    assert largest_pull(result) < 4
    known = refine(small_still(FREE, **START), drawn(image + slope, 2), slope)
    assert largest_pull(known) < 4
    assert result["beam.fluence"].sigma > known["beam.fluence"].sigma
    assert len(result.observed) < 64 * 64


def test_a_radial_curve_takes_a_ring(image):
    away = torch.hypot(*torch.meshgrid(*[torch.arange(64, dtype=torch.float64) - 31.5] * 2, indexing="ij"))
    ring = 1 + 4 * torch.exp(-(((away - 15) / 8) ** 2))
    result = refine(small_still(FREE, **START), drawn(image + ring, 2), "radial")
    assert largest_pull(result) < 4
    assert "differ from the model" not in str(result)


def test_given_shoeboxes_are_all_that_counts(image):
    counts = drawn(image, 2)
    boxes = [(0, 31, 0, 63)]
    result = refine(small_still(FREE, **START), counts, shoeboxes=boxes)
    counts[32:] = 7
    again = refine(small_still(FREE, **START), counts, shoeboxes=boxes)
    assert again["crystal.cell_a"].value == result["crystal.cell_a"].value
    assert int(result.slow.max()) == 31


def test_gain_and_readout_noise_are_taken_out(image):
    photons = drawn(image, 2)
    noise = torch.randn(64, 64, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    counts = 2.5 * photons + 2.0 * noise
    assert bool((counts < 0).any())
    result = refine(small_still(FREE, **START), counts, gain=2.5, readout_noise=2.0)
    assert largest_pull(result) < 4
    assert abs(result.goodness.chi2 / result.dof - 1) < 0.1
    ideal = refine(small_still(FREE, **START), photons)
    assert result["beam.fluence"].sigma > ideal["beam.fluence"].sigma


def test_progress_is_told_and_ctrl_c_keeps_the_best_so_far(image):
    seen = []

    def watch(progress):
        seen.append(progress)
        if len(seen) == 3:
            raise KeyboardInterrupt

    start = small_still(FREE, crystal={"cell_a": 40.05, "misset_deg": (12.05, 25.0, 37.05)}, beam={"fluence": 2e27})
    result = refine(start, drawn(image, 2), progress=watch)
    assert result.interrupted and not result.converged
    assert '"interrupted": true' in result.to_json()
    assert result.reason.startswith("interrupted after 2 steps")
    assert [each.step for each in seen] == [0, 1, 2]
    assert seen[2].loss < seen[0].loss
    assert result["crystal.cell_a"].value == seen[2].state["crystal.cell_a"]
    assert result["crystal.cell_a"].sigma is None


def test_too_few_steps_are_told(image):
    start = small_still(FREE, crystal={"cell_a": 40.05}, beam={"fluence": 2e27})
    result = refine(start, drawn(image, 2), max_steps=1, capture=False)
    assert not result.converged
    assert result.reason.startswith("not converged in 1 steps: the next would still lower -log L by")


def test_a_misset_of_ninety_degrees_is_no_obstacle():
    upright = {"crystal": {"misset_deg": (12.0, 90.0, 37.0)}, "beam": {"fluence": 1e27}}
    start = {"crystal": {"misset_deg": (12.03, 89.98, 37.0), "cell_b": 50.04}, "beam": {"fluence": 0.9e27}}
    counts = drawn(small_still(FREE, **upright).image(), 2)
    assert float(counts.sum()) > 1000
    result = refine(small_still(FREE, **start), counts)
    assert result.converged, result.reason
    assert all(0 < turn.sigma < 0.1 for turn in result.turns)
    assert abs(result["crystal.cell_b"].value - 50) < 4 * result["crystal.cell_b"].sigma
    np.testing.assert_allclose(
        result.scenario.simulator().unit_cell().stars @ torch.tensor([1.0, 0, 0], dtype=torch.float64),
        small_still(FREE, **upright).simulator().unit_cell().stars @ torch.tensor([1.0, 0, 0], dtype=torch.float64),
        atol=1e-4,
    )


def test_a_background_that_is_not_there_does_not_keep_a_refinement_from_its_end(image):
    """Its coefficients creep to nothing for ever; what else is refined has ended long before."""
    start = small_still(FREE, crystal={"cell_a": 40.05, "misset_deg": (12.05, 25.0, 37.05)}, beam={"fluence": 2e27})
    counts = drawn(image, 2)
    without, along = refine(start, counts), refine(start, counts, "radial")
    assert along.reason == "converged" and along.steps <= without.steps + 2
    for name in ("crystal.cell_a", "beam.fluence"):
        assert along[name].value == pytest.approx(without[name].value, abs=0.5 * without[name].sigma)


def test_numbers_with_an_offset_left_in_them_are_said_to_be_no_counts():
    truth = small_still(("crystal.cell_a", "beam.fluence"))
    counts = drawn(truth.image(), 5)
    assert not any("no counts" in remark for remark in refine(truth, counts).remarks)
    raised = refine(truth, counts + 40.0, background="radial", unexplained=1.0)
    assert raised.goodness.quiet
    assert any("an offset or a gain" in remark for remark in raised.remarks)
