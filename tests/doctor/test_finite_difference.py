"""Derivatives without automatic differentiation: their value, their error bar, and what stands in their way."""

import math

import pytest

from nanobrag_torch.doctor.finite_difference import agreement, differentiate, glance


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


@pytest.mark.parametrize(
    ("function", "x", "step", "slope"),
    [
        (math.sin, 1e6 + 0.3, 1e3, math.cos(1e6 + 0.3)),
        (lambda x: math.exp(-(((x - 3e-7) / 1e-6) ** 2)), 0.0, 1e-3, 6e5 * math.exp(-0.09)),
        (lambda x: math.cos(2 * math.pi * x / 5e-7), 1.0000000713, 1e-3, None),
    ],
    ids=["many periods in a step", "zero with a natural scale of a micrometre", "the phase of light"],
)
def test_a_gradient_is_found_at_steps_that_have_nothing_to_do_with_the_value(function, x, step, slope):
    slope = -2 * math.pi / 5e-7 * math.sin(2 * math.pi * x / 5e-7) if slope is None else slope
    found = differentiate(function, x, step, expected=slope)
    assert found.pattern == "smooth"
    assert found.derivative == pytest.approx(slope, rel=1e-4)
    assert agreement(slope, found) == "agrees"
    assert agreement(1.1 * slope, differentiate(function, x, step, expected=1.1 * slope)) != "agrees"


def test_an_infinite_slope_is_a_cusp_that_contradicts_nothing():
    found = differentiate(lambda x: math.sqrt(abs(x)), 0.0, 1e-3, expected=0.0)
    assert found.pattern == "cusp"
    assert found.right > 10
    assert agreement(0.5, found) == "inconclusive"


def test_jumps_with_nothing_between_them_are_stairs():
    found = differentiate(lambda x: float(math.floor(1000 * x)), 0.4371, 1e-3)
    assert (found.pattern, found.derivative) == ("stairs", 0.0)
    assert found.jump.height == pytest.approx(1)
    assert agreement(1000.0, found) == "disagrees"


def test_a_jump_at_the_very_point_is_found():
    found = differentiate(lambda x: math.fmod(x, 1.0) ** 2 + x, 1.0, 1e-3, expected=1.0)
    assert found.pattern == "jumps"
    assert found.jump.height == pytest.approx(-1, rel=1e-3)


def test_a_tolerance_lets_a_solver_be_right():
    found = differentiate(lambda x: x**2, 1.0, 1e-3)
    assert agreement(2.001, found) == "disagrees"
    assert agreement(2.001, found, tolerance=1e-3) == "agrees"


def test_a_glance_takes_as_few_values_as_show_what_is_sought():
    asked = []

    def function(x):
        asked.append(x)
        return math.exp(x)

    derivative, error = glance(function, 1.0, 1e-3, sought=1e-3)
    assert len(asked) == 7 and abs(derivative - math.e) <= error < 1e-9
    derivative, error = glance(lambda x: 1e6 + 1e-6 * x, 0.0, 1e-3, sought=1e-6)
    assert abs(derivative - 1e-6) <= error
    assert glance(abs, 0.0, 1e-3, sought=1.0)[1] >= 2
    assert glance(lambda x: math.nan, 0.0, 1e-3, sought=1.0)[1] == math.inf
