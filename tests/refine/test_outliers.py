"""Pixels that no model explains: found by place and reflection, left out on request; influence of reflections."""

import numpy as np
import pytest
import torch
from small_stills import CELL_AND_MISSET, drawn, small_still

from nanobrag_torch.refine import refine
from nanobrag_torch.refine.outliers import quiet_level, robust_weights

FREE = (*CELL_AND_MISSET, "beam.fluence")
TRUE = {"crystal.cell_a": 40.0, "crystal.cell_b": 50.0, "crystal.cell_c": 60.0, "beam.fluence": 3e27}


def pulls(result):
    return np.array([(result[name].value - value) / result[name].sigma for name, value in TRUE.items()])


@pytest.fixture(scope="module")
def spoilt():
    """Counts with six zingers on bright spots, a dead pixel, and three spots of another crystal."""
    truth = small_still(FREE)
    image = truth.image()
    counts = drawn(image, 7)
    bright = torch.argsort(image.flatten(), descending=True)[10:60:8]
    counts.view(-1)[bright[:6]] += 400
    counts.view(-1)[image.argmax()] = 0
    other = small_still(FREE, crystal={"misset_deg": (60.0, 5.0, 20.0)})
    return truth, counts + 0.3 * drawn(other.image(), 8), [divmod(int(i), 64) for i in bright[:6]]


def test_robust_weights_find_the_truth_where_plain_ones_miss_it_by_many_errors(spoilt):
    truth, counts, zingers = spoilt
    plain = refine(truth, counts, unexplained=1.0)
    assert np.abs(pulls(plain)).max() > 5
    assert "by more than counting explains" in plain.remarks[0]
    robust = refine(truth, counts, robust=True, residuals=200)
    assert robust.converged, robust.reason
    assert np.abs(pulls(robust)).max() < 4
    left_out = int(robust.remarks[0].split()[0])
    assert 7 <= left_out < 250
    told = {(each.slow, each.fast) for each in robust.worst}
    assert set(zingers) & told
    assert all(each.weight < 0.5 for each in robust.worst[:7])


def test_weights_are_one_within_the_knee_and_fall_with_the_square_beyond():
    expected = torch.full((3,), 1e6, dtype=torch.float64)
    counts = expected + torch.tensor([3000.0, 8000.0, -16000.0])
    np.testing.assert_allclose(robust_weights(counts, expected, 0.0), [1.0, 0.25, 0.0625], rtol=0.02)


def test_the_influence_of_a_reflection_is_the_shift_without_it():
    pytest.importorskip("pandas")
    truth = small_still(("crystal.cell_a", "beam.fluence"))
    counts = drawn(truth.image(), 9)
    result = refine(truth, counts)
    table = result.influence()
    assert abs(table.sum()).max() < 0.05  # the shifts of all reflections cancel at the maximum
    strongest = table.index[0]
    from nanobrag_torch.refine.model import Model
    from nanobrag_torch.refine.parameters import parameters_of
    from nanobrag_torch.refine.reflections import indices_of_pixels

    parameters, state = parameters_of(truth)
    model = Model.of(truth, parameters, torch.ones((64, 64), dtype=torch.bool))
    own = (indices_of_pixels(model, state) == torch.tensor(strongest)).all(1).reshape(64, 64)
    without = refine(truth, counts, mask=~own)
    for name in table.columns:
        shift = (result[name].value - without[name].value) / result[name].sigma
        assert shift == pytest.approx(table.loc[strongest, name], abs=0.25 * table.loc[strongest].abs().max())


def test_zingers_where_next_to_nothing_is_expected_keep_nothing_from_its_place():
    truth = small_still(FREE)
    start = small_still(FREE, crystal={"cell_a": 40.03, "cell_b": 49.96}, beam={"fluence": 7.5e27})
    image = truth.image()
    counts = drawn(image, 3)
    dim = torch.nonzero((image > 0.01) & (image < 1.0))
    for slow, fast in dim[:: len(dim) // 3][:3].tolist():
        counts[slow, fast] = 50_000.0
    result = refine(start, counts, robust=True)
    assert result.converged, result.reason
    assert abs(result["crystal.cell_a"].value - 40.0) < 4 * result["crystal.cell_a"].sigma
    assert abs(result["crystal.cell_b"].value - 50.0) < 4 * result["crystal.cell_b"].sigma


@pytest.mark.parametrize("background", ["radial", "plane"])
@pytest.mark.parametrize("level", [0.0, 0.01, 0.1])
def test_zingers_and_a_background_of_next_to_nothing_that_is_refined_along_keep_nothing_from_its_place(
    level, background
):
    truth = small_still(FREE)
    start = small_still(FREE, crystal={"cell_a": 40.03, "cell_b": 49.96}, beam={"fluence": 7.5e27})
    image = truth.image()
    counts = drawn(image + level, 3)
    dim = torch.nonzero((image > 0.01) & (image < 1.0))
    for slow, fast in dim[:: len(dim) // 3][:3].tolist():
        counts[slow, fast] = 50_000.0
    result = refine(start, counts, robust=True, background=background)
    assert result.converged, result.reason
    assert result.steps <= 25
    for name, true in (("crystal.cell_a", 40.0), ("crystal.cell_b", 50.0)):
        assert abs(result[name].value - true) < 4 * result[name].sigma


def test_a_dark_start_ends_with_the_doctors_cause_in_a_robust_refinement_too():
    dark = small_still(FREE, crystal={"default_F": 0.0})
    with pytest.raises(ValueError, match=r"dark|zero everywhere"):
        refine(dark, drawn(small_still(FREE).image(), 3), robust=True)


def test_the_level_of_a_ring_does_not_know_of_its_spots_and_a_pixel_beyond_hope_has_no_weight():
    photons = torch.poisson(torch.full((1000,), 3.0, dtype=torch.float64), generator=torch.Generator().manual_seed(1))
    photons[::20] = 5000.0
    level = quiet_level(photons, torch.linspace(0.1, 0.5, 1000, dtype=torch.float64))
    assert float((level - 3.0).abs().max()) < 1.0
    assert float(robust_weights(torch.tensor([1e5]), torch.tensor([1.0]), 0.0)) == 0.0
