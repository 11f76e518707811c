"""Fisher information under photon counting, against matrices worked out by hand."""

import math

import pytest
import torch

from nanobrag_torch.doctor.fisher import fisher

IMAGE = torch.tensor([1.0, 4.0, 0.0, 16.0], dtype=torch.float64)
FIRST = torch.tensor([1.0, 2.0, 7.0, 4.0], dtype=torch.float64)
SECOND = torch.tensor([1.0, -2.0, 5.0, 8.0], dtype=torch.float64)


def test_a_pixel_is_weighed_by_its_photons_and_a_dark_one_says_nothing():
    found = fisher(("x", "y"), torch.stack([FIRST, SECOND], 1), IMAGE)
    assert found.matrix == ((3.0, 2.0), (2.0, 6.0))
    assert found.standard_errors == pytest.approx((math.sqrt(6 / 14), math.sqrt(3 / 14)))
    assert found.correlations[0][1] == pytest.approx(-2 / math.sqrt(18))
    r = 2 / math.sqrt(18)
    assert found.condition == pytest.approx((1 + r) / (1 - r))
    assert (found.rank, found.null_directions) == (2, ())


def test_proportional_parameters_are_tied_as_a_pair_in_their_own_units():
    columns = torch.stack([FIRST, SECOND, 10 * FIRST], 1)
    found = fisher(("x", "y", "z"), columns, IMAGE)
    (null,) = found.null_directions
    assert (found.rank, found.condition, found.standard_errors, found.correlations) == (2, math.inf, None, None)
    assert set(null.components) == {"x", "z"}
    assert null.components["x"] / null.components["z"] == pytest.approx(-10)
    assert (null.known, null.eigenvalue) == ("", pytest.approx(0, abs=1e-12))


def test_three_parameters_can_be_tied_where_no_two_are():
    columns = torch.stack([FIRST, SECOND, FIRST + SECOND], 1)
    found = fisher(("x", "y", "z"), columns, IMAGE)
    (null,) = found.null_directions
    direction = torch.tensor([null.components[name] for name in ("x", "y", "z")], dtype=torch.float64)
    assert float((columns @ direction).abs().max()) == pytest.approx(0, abs=1e-12)
    assert direction[0] == pytest.approx(float(direction[1])) and direction[2] == pytest.approx(-float(direction[0]))


def test_a_parameter_that_no_pixel_feels_is_a_null_direction_of_its_own():
    found = fisher(("x", "y"), torch.stack([FIRST, torch.zeros(4, dtype=torch.float64)], 1), IMAGE)
    assert found.rank == 1
    assert [null.components for null in found.null_directions] == [{"y": 1.0}]
