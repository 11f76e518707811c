"""Derivatives without automatic differentiation: their value, their error bar, and what stands in their way."""

import math

import pytest

from nanobrag_torch.doctor.finite_difference import agreement, differentiate


@pytest.mark.parametrize(
    ("function", "x", "expected"),
    [
        (math.exp, 1.0, math.e),
        (lambda x: x**3, 2.0, 12.0),
        (lambda x: 1e12 + 1e9 * math.sin(x), 0.3, 1e9 * math.cos(0.3)),
        (lambda x: math.sin(300 * x), 0.7, 300 * math.cos(210.0)),
    ],
)
def test_the_error_bar_holds_the_true_derivative(function, x, expected):
    found = differentiate(function, x, 1e-3)
    assert found.pattern == "smooth"
    assert abs(found.derivative - expected) <= found.error
    assert found.error < 1e-5 * abs(expected)


def test_a_step_far_too_large_is_refined_until_the_ladder_settles():
    found = differentiate(lambda x: math.sin(50 * x), 0.2, 0.3)
    assert len(found.steps) > 3
    assert found.derivative == pytest.approx(50 * math.cos(10), rel=1e-4)
    assert found.jump is None


def test_a_step_below_the_roundoff_gives_a_wide_error_bar():
    found = differentiate(math.exp, 1.0, 1e-14)
    assert found.error > 1e-3
    assert agreement(math.e, found) == "inconclusive"


def test_a_jump_nearby_is_found_and_the_smooth_slope_survives_it():
    found = differentiate(lambda x: 3 * x + (1.0 if x > 1.0001 else 0.0), 1.0, 1e-3)
    assert found.pattern == "jumps"
    assert found.jump.at == pytest.approx(1.0001, abs=1e-6)
    assert found.jump.height == pytest.approx(1, rel=1e-3)
    assert found.derivative == pytest.approx(3, rel=1e-6)


def test_a_kink_has_two_slopes():
    found = differentiate(lambda x: abs(x) + 2 * x, 0.0, 1e-3)
    assert found.pattern == "kink"
    assert (found.left, found.right) == pytest.approx((1, 3))


@pytest.mark.parametrize("function", [lambda x: math.cos(x), lambda x: x**4 - 3 * x**2, lambda x: math.exp(5 * x)])
def test_curvature_is_no_kink(function):
    assert differentiate(function, 0.4, 1e-2).pattern == "smooth"


def test_a_constant_is_flat():
    found = differentiate(lambda x: 4.0, 1.0, 1e-3)
    assert (found.derivative, found.pattern) == (0.0, "flat")


def test_a_parameter_at_its_bound_is_differentiated_from_within():
    def root(x):
        assert x >= 0
        return 2 * x + 5 * x**2

    found = differentiate(root, 0.0, 1e-3, low=0.0)
    assert found.derivative == pytest.approx(2, rel=1e-9)
    assert found.curvature == pytest.approx(10, rel=1e-6)
    assert math.isnan(found.left)


def test_values_that_are_not_finite_resolve_nothing():
    found = differentiate(lambda x: math.nan, 1.0, 1e-3)
    assert found.pattern == "unresolved"
    assert agreement(1.0, found) == "not finite"


def test_a_wrong_step_is_named():
    with pytest.raises(ValueError, match=r"step = -1.*positive.*Leave it out"):
        differentiate(math.exp, 1.0, -1)
    with pytest.raises(ValueError, match=r"fit between the bounds"):
        differentiate(math.exp, 1.0, 5.0, low=0.0, high=2.0)


def test_agreement_is_judged_against_the_sum_of_contributions():
    found = differentiate(lambda x: 1e-3 * x, 1.0, 1e-3)
    assert agreement(1e-3, found, 1.0) == "agrees"
    assert agreement(1.01e-3, found, 1.0) == "disagrees"
    assert agreement(1.01e-3, found, 1e5) == "agrees"


def test_agreement_names_what_cannot_be_compared():
    found = differentiate(lambda x: x, 1.0, 1e-3)
    flat = differentiate(lambda x: 0.0, 1.0, 1e-3)
    assert agreement(None, found) == "missing"
    assert agreement(math.nan, found) == "not finite"
    assert agreement(0.0, flat) == "zero"
    assert agreement(0.0, found) == "disagrees"
