"""Errors before measuring, against closed forms and against the errors of fits."""

import numpy as np
import pytest
import torch
from small_stills import FREE, drawn, small_still

from nanobrag_torch.refine import expected_errors, refine


def test_the_error_of_the_scale_alone_is_that_of_the_number_of_photons():
    truth = small_still(("beam.fluence",))
    found = expected_errors(truth)
    assert found["beam.fluence"] / 3e27 == pytest.approx(float(truth.image().sum()) ** -0.5, rel=1e-4)


def test_a_background_costs_what_its_photons_add_to_the_variance():
    truth = small_still(("beam.fluence",))
    signal = truth.image()
    found = expected_errors(truth, background=2.0, readout_noise=1.5)
    information = float((signal**2 / (signal + 2.0 + 2.25)).sum())
    assert found["beam.fluence"] / 3e27 == pytest.approx(information**-0.5, rel=1e-4)


def test_errors_fall_with_the_root_of_the_exposure():
    once, four_times = (expected_errors(small_still(beam={"fluence": f}), FREE) for f in (3e27, 1.2e28))
    assert once["crystal.cell_a"] == pytest.approx(2 * four_times["crystal.cell_a"], rel=1e-3)
    assert once["crystal.N_cells[1]"] == pytest.approx(2 * four_times["crystal.N_cells[1]"], rel=1e-3)


def test_they_are_the_errors_that_a_fit_of_counts_reports():
    truth = small_still()
    expected, result = expected_errors(truth), refine(truth, drawn(truth.image(), 6), residuals=0)
    for name in FREE:
        assert result[name].sigma == pytest.approx(expected[name], rel=0.15)
    assert "Å" in str(expected)


def test_without_derivatives_at_hand_the_information_is_that_of_differences():
    truth = small_still(("crystal.cell_a", "detector.distance_mm"))
    rows = []
    for name, step in (("crystal.cell_a", 1e-4), ("detector.distance_mm", 1e-4)):
        at = truth.value(name)
        ahead, behind = (truth.image({name: torch.tensor(at + sign * step, dtype=torch.float64)}) for sign in (1, -1))
        rows.append(((ahead - behind) / (2 * step)).flatten())
    jacobian, image = torch.stack(rows).numpy(), truth.image().flatten().clamp_min(1e-6).numpy()
    errors = np.sqrt(np.diag(np.linalg.inv((jacobian / image) @ jacobian.T)))
    found = expected_errors(truth)
    assert [found["crystal.cell_a"], found["detector.distance_mm"]] == pytest.approx(list(errors), rel=1e-3)


def test_what_is_not_determined_has_no_error_and_a_reason():
    found = expected_errors(small_still(("beam.fluence", "crystal.default_F")))
    with pytest.raises(KeyError, match="only fluence times F² enters"):
        found["crystal.default_F"]
    tied = expected_errors(
        small_still(("crystal.cell_a", "crystal.cell_b"), crystal={"cell_b": 40.0}),
        ties={"crystal.cell_b": "crystal.cell_a"},
    )
    assert tied["crystal.cell_a"] == tied["crystal.cell_b"] > 0


def test_a_dark_image_is_refused():
    with pytest.raises(ValueError, match="one with light in a pixel"):
        expected_errors(small_still(("crystal.cell_a",), crystal={"default_F": 0.0}))
