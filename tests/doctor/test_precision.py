"""Double precision for models that are bound to less by their data, buffers and casts."""

import pytest
import torch
from doctor.cases import F64

from nanobrag_torch.doctor import diagnose
from nanobrag_torch.doctor.precision import widened

F32 = torch.float32
SINGLE = torch.linspace(0, 1, 7)


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda x: x * SINGLE, SINGLE.double() / 3),
        (lambda x: x.float() * 2, 2 / 3),
        (lambda x: x.to(torch.bfloat16), 1 / 3),
        (lambda x: torch.zeros(3, dtype=F32) + x, 1 / 3),
        (lambda x: torch.nn.functional.conv1d(SINGLE[None, None], x.reshape(1, 1, 1)), SINGLE.double() / 3),
    ],
    ids=["data", "float()", "half", "a constant", "a convolution"],
)
def test_what_is_bound_to_single_precision_is_computed_in_double(function, expected):
    found = widened(function)(torch.tensor(1 / 3, dtype=F64))
    assert found.dtype is F64
    assert float((found - expected).abs().max()) < 1e-15


def test_a_tensor_that_is_changed_in_place_stays_itself():
    store = torch.zeros(2)
    widened(lambda x: store.add_(x))(torch.tensor(0.5, dtype=F64))
    assert store.tolist() == [0.5, 0.5]


def test_rounding_within_a_model_of_doubles_is_single_precision_and_no_jump():
    places = torch.tensor([3.00001, 7.3, 11.00002])

    def grating(p):
        h = p["a"].float() * places
        return (torch.sin(5 * torch.pi * h) / torch.sin(torch.pi * h)).sum() ** 2

    found = diagnose(grating, {"a": 1.0})["a"]
    assert found.verdict.code == "W2"
    assert found.verdict.evidence["float64"] != found.gradient


def test_a_model_in_single_precision_is_held_to_finite_differences_in_double():
    found = diagnose(lambda p: torch.exp(-p["a"] * SINGLE).sum(), {"a": torch.tensor(0.7)})["a"]
    exact = float((-SINGLE.double() * torch.exp(-0.7 * SINGLE.double())).sum())
    assert found.verdict.code == "healthy"
    assert found.finite_difference.derivative == pytest.approx(exact, rel=1e-7)
