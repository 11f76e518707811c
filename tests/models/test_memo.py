"""Results kept between evaluations, and made anew where an input has changed."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from random_scenes import simulator

from nanobrag_torch.config import CrystalConfig
from nanobrag_torch.models.memo import MOST_ELEMENTS, Memo


@dataclass
class Record:
    value: Any


def times_made(first, second):
    """Number of times that a result is made which is asked for with one value, then with the other."""
    keep, made = Memo(), []
    for value in (first, second):
        keep("thing", lambda: made.append(1), value)
    return len(made)


@pytest.mark.parametrize("value", [1.5, (1, [2.0, None]), "name", Record((1.0,)), torch.tensor([1.0, 2.0])], ids=str)
def test_equal_values_are_made_once(value):
    assert times_made(value, value) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1.5, 1.5000001),
        (Record(1.0), Record(2.0)),
        (torch.tensor(1.0), torch.tensor(2.0)),
        ((1, 2), (1, 2, 3)),
        (CrystalConfig(cell_a=70), CrystalConfig(cell_a=71)),
    ],
    ids=["number", "record", "tensor", "length", "config"],
)
def test_other_values_are_made_anew(one, other):
    assert times_made(one, other) == 2


@pytest.mark.parametrize(
    "value",
    [
        torch.tensor(1.0, requires_grad=True),
        torch.zeros(MOST_ELEMENTS + 1),
        Record([torch.ones(1, requires_grad=True)]),
        np.zeros(3),
    ],
    ids=["requires a gradient", "large", "within a record", "numpy"],
)
def test_what_cannot_be_compared_is_made_anew(value):
    assert times_made(value, value) == 2


def test_tensors_under_a_transform_are_made_anew():
    keep = Memo()
    doubled = torch.func.vmap(lambda x: keep("thing", lambda: 2 * x, x))
    assert doubled(torch.tensor([1.0, 2.0])).tolist() == [2.0, 4.0]
    assert doubled(torch.tensor([3.0, 4.0])).tolist() == [6.0, 8.0]


def test_a_simulator_sees_every_number_that_is_changed_in_place():
    made, fresh = simulator(detector={"spixels": 8, "fpixels": 9}), None
    changes = (
        (made.crystal.config, "cell_a", 83.0),
        (made.crystal.config, "misset_deg", (3.0, 2.0, 1.0)),
        (made.crystal.config, "N_cells", (3, 4, 5)),
        (made.detector.config, "distance_mm", 91.0),
        (made.detector.config, "detector_rotx_deg", 4.0),
        (made.detector.config, "twotheta_axis", torch.tensor([0.0, 1.0, 0.0])),
        (made.beam_config, "wavelength_A", 1.1),
        (made.beam_config, "polarization_factor", 0.4),
    )
    before = made.run()
    for config, name, value in changes:
        setattr(config, name, value)
        after = made.run()
        fresh = type(made)(made.crystal, made.detector, beam_config=made.beam_config, dtype=made.dtype).run()
        assert torch.equal(after, fresh), name
        assert name == "twotheta_axis" or not torch.equal(after, before), name
        before = after


def test_an_invalid_number_is_refused_after_a_valid_one_was_remembered():
    made = simulator(detector={"spixels": 4, "fpixels": 4})
    made.run()
    made.detector.config.distance_mm = -1.0
    with pytest.raises(ValueError, match="distance_mm"):
        made.run()


def test_what_was_made_without_gradients_serves_a_run_with_them():
    made = simulator(detector={"spixels": 6, "fpixels": 6})
    with torch.inference_mode():
        made.run()
    with torch.no_grad():
        made.run()
    made.crystal.config.cell_a = torch.tensor(71.0, dtype=torch.float64, requires_grad=True)
    made.run().sum().backward()
    assert made.crystal.config.cell_a.grad.abs() > 0
    first = made.crystal.config.cell_a.grad.clone()
    made.run().sum().backward()
    assert torch.allclose(made.crystal.config.cell_a.grad, 2 * first, rtol=1e-12)


def test_an_axis_of_numpy_that_is_changed_in_place_is_seen():
    made = simulator(crystal={"osc_range_deg": 3.0, "phi_steps": 2}, detector={"spixels": 4, "fpixels": 4})
    axis = made.crystal.config.spindle_axis = np.array([1.0, 0.0, 0.0])
    before = made.run()
    assert torch.equal(made.run(), before)
    axis[:] = (0.0, 1.0, 0.0)
    assert not torch.equal(made.run(), before)


def test_nothing_is_kept_from_inference_mode():
    keep = Memo()
    with torch.inference_mode():
        keep("thing", lambda: torch.ones(1), 1.0)
    assert not keep("thing", lambda: torch.ones(1), 1.0).is_inference()
