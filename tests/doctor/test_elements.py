"""Elements of a large tensor: those without a gradient and with a wrong one are counted, named and drawn."""

import pytest
import torch

from nanobrag_torch.doctor import GradientReport, diagnose
from nanobrag_torch.doctor.elements import MOST_CALLS

F64 = torch.float64


class Slope(torch.autograd.Function):
    """A sine whose derivative is three times too large where the mask says so."""

    @staticmethod
    def forward(ctx, x, wrong):
        ctx.save_for_backward(x, wrong)
        return torch.sin(x)

    @staticmethod
    def backward(ctx, slope):
        x, wrong = ctx.saved_tensors
        return slope * torch.cos(x) * torch.where(wrong, 3.0, 1.0), None


class Transposed(torch.autograd.Function):
    """A sum of weighted elements whose gradient is transposed."""

    @staticmethod
    def forward(ctx, x, weights):
        ctx.save_for_backward(weights)
        return (x * weights).sum()

    @staticmethod
    def backward(ctx, slope):
        (weights,) = ctx.saved_tensors
        return slope * weights.T, None


def model(shape, wrong, dtype=F64):
    """A function of one tensor in (0.1, 1.1) whose gradient is wrong at these indices, and its parameters."""
    draws = torch.Generator().manual_seed(0)
    mask = torch.zeros(shape, dtype=torch.bool)
    for index in wrong:
        mask[index] = True
    weights = 0.5 + torch.rand(shape, generator=draws, dtype=dtype)
    x = 0.1 + torch.rand(shape, generator=draws, dtype=dtype)
    return (lambda p: (Slope.apply(p["x"], mask) * weights).sum()), {"x": x}


def found(shape, wrong, dtype=F64, **kwargs):
    (parameter,) = diagnose(*model(shape, wrong, dtype), **kwargs).parameters
    return parameter


@pytest.mark.parametrize("dtype", [F64, torch.float32])
def test_wrong_elements_are_counted_named_and_drawn(dtype):
    p = found((3, 4), [(0, 3), (2, 1)], dtype)
    assert (p.verdict.code, p.verdict.severity) == ("W6", "fault")
    assert p.elements.counts == {"wrong": 2}
    assert p.elements.first["wrong"] == ((0, 3), (2, 1))
    assert p.elements.picture == ("...W", "....", ".W..")
    assert p.verdict.evidence["elements with gradient wrong"] == "2 of 12: [0, 3], [2, 1]"
    assert p.verdict.evidence["search for wrong elements"] == f"{p.elements.calls} calls, 12 of 12 elements examined"


def test_all_elements_of_a_small_tensor_may_be_wrong():
    assert found((3, 4), [slice(None)]).elements.picture == ("WWWW",) * 3


def test_one_wrong_element_of_a_million_is_found_in_few_calls():
    p = found((1000, 1000), [(123, 456)])
    assert p.verdict.code == "W6"
    assert p.elements.first["wrong"] == ((123, 456),)
    # Twenty halvings of a ladder each, one of the element alone, and the thorough one that confirms it.
    assert p.elements.calls < 300
    assert p.elements.picture[123 // 16][456 // 16] == "W"
    assert sum(row.count("W") for row in p.elements.picture) == 1
    assert p.elements.cell == (16, 16)


def test_a_search_that_is_too_long_says_what_it_left():
    p = found((100, 100), [slice(None)])
    wrong, suspect = p.elements.counts["wrong"], p.elements.counts["suspect"]
    assert p.elements.calls <= MOST_CALLS
    assert wrong + suspect == 10_000 and wrong > 1
    said = p.verdict.evidence["search for wrong elements"]
    assert f"{suspect} lie in blocks that disagree" in said and f"{wrong} of 10000 elements examined" in said
    assert p.verdict.evidence["elements with gradient wrong"].startswith(f"at least {wrong} of 10000: [0, 0]")


def test_a_search_ends_with_the_budget():
    calls = diagnose(*model((100, 100), [slice(None)])).cost.evaluations
    report = diagnose(*model((100, 100), [slice(None)]), evaluations=calls - 300)
    assert report.cost.evaluations <= calls - 300 and not report.cost.complete
    assert report["x (along a random direction)"].elements.counts["suspect"] > 9000


def test_elements_that_stand_in_each_others_place_do_not_cancel():
    weights = torch.tensor([[1.0, 2, 3], [2, 5, 6], [3, 8, 9]], dtype=F64)
    x = torch.ones(3, 3, dtype=F64)
    (p,) = diagnose(lambda p: Transposed.apply(p["x"], weights), {"x": x}).parameters
    assert (p.verdict.code, p.elements.first["wrong"]) == ("W6", ((1, 2), (2, 1)))


def test_elements_of_a_symmetric_matrix_are_searched_along_symmetric_changes():
    mask = torch.zeros(3, 3, dtype=torch.bool)
    mask[1, 1] = True
    covariance = torch.tensor([[4.0, 1, 0.5], [1, 3, 0.2], [0.5, 0.2, 2]], dtype=F64)
    (p,) = diagnose(
        lambda p: torch.linalg.cholesky(p["c"]).sum() + Slope.apply(p["c"], mask).sum(), {"c": covariance}
    ).parameters
    assert p.elements.picture == ("...", ".W.", "...")


def test_elements_without_a_gradient_are_counted_named_and_drawn():
    x = torch.arange(-2.0, 6.0, dtype=F64).reshape(2, 4) + 0.5
    (dead,) = diagnose(lambda p: torch.relu(p["x"]).sum(), {"x": x}).parameters
    assert dead.verdict.evidence == {"elements with gradient zero": "2 of 8: [0, 0], [0, 1]"}
    assert dead.elements.picture == ("00..", "....")
    (whole,) = diagnose(lambda p: (p["x"] ** 2).sum(), {"x": x}).parameters
    assert not whole.verdict.evidence and whole.elements is None


def test_beside_a_gradient_that_is_nan_wrong_elements_are_found_all_the_same():
    x = torch.arange(-2.0, 6.0, dtype=F64).reshape(2, 4) + 0.5
    (alone,) = diagnose(lambda p: torch.sqrt((p["x"] - 0.5) ** 2).sum(), {"x": x}).parameters
    assert alone.verdict.evidence["elements with gradient not finite"] == "1 of 8: [0, 2]"
    assert alone.elements.counts == {"not finite": 1}
    mask = torch.zeros(2, 4, dtype=torch.bool)
    mask[1, 1] = True
    (both,) = diagnose(
        lambda p: torch.sqrt((p["x"] - 0.5) ** 2).sum() + Slope.apply(p["x"], mask).sum(), {"x": x}
    ).parameters
    assert both.elements.picture == ("..n.", ".W..")
    assert both.verdict.evidence["search for wrong elements"].endswith("7 of 8 elements examined")


def test_a_vector_runs_on_from_row_to_row():
    p = found((100,), [70])
    assert [len(row) for row in p.elements.picture] == [64, 64]
    assert p.elements.picture[1] == "......W" + "." * 29 + " " * 28


def test_a_picture_survives_being_written_and_is_shown():
    report = diagnose(*model((3, 4), [(1, 2)]))
    assert GradientReport.from_json(report.to_json()) == report
    shown = report._repr_html_()
    assert "aria-label='elements: 1 wrong'" in shown
    assert "<rect x='12' y='6' width='6' height='6' fill='#c62828'/>" in shown
