"""Measurements behind the verdicts, where something stands in their way."""

import math

import pytest
import torch
from doctor.cases import CELL_A, F64, X, leaf, scene

from nanobrag_torch.doctor import DoctorError, diagnose, sensitivities
from nanobrag_torch.quantities import quantity


class WithoutForwardMode(torch.autograd.Function):
    """A sine whose derivative exists in reverse mode alone."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return torch.sin(x)

    @staticmethod
    def backward(ctx, slope):
        (x,) = ctx.saved_tensors
        return slope * torch.cos(x)


class OneWrongPixel(torch.autograd.Function):
    """A sine whose derivative is wrong in the fifth pixel, in both modes."""

    @staticmethod
    def forward(ctx, x):
        ctx.slope = torch.cos(x) + torch.eye(len(x), dtype=x.dtype)[4]
        return torch.sin(x)

    @staticmethod
    def jvp(ctx, tangent):
        return tangent * ctx.slope

    @staticmethod
    def backward(ctx, slope):
        return slope * ctx.slope


def test_without_forward_mode_the_contributions_come_from_differences():
    found = diagnose(lambda p: WithoutForwardMode.apply(p["x"] * X), {"x": 1.5}, loss=torch.sum)["x"]
    assert found.forward_derivative is None
    assert found.gradient == pytest.approx(float((X * torch.cos(1.5 * X)).sum()), rel=1e-12)
    assert found.magnitude == pytest.approx(float((X * torch.cos(1.5 * X)).abs().sum()), rel=1e-6)
    assert found.verdict.code == "healthy"


def test_a_slip_in_one_pixel_is_seen_to_be_in_one_pixel():
    found = diagnose(lambda p: OneWrongPixel.apply(p["x"] * X), {"x": 1.5}, loss=torch.sum)["x"]
    assert found.verdict.code == "W6"
    assert found.verdict.evidence["|AD - FD|"] == pytest.approx(float(X[4]), rel=1e-6)
    assert found.verdict.evidence["share of the worst 1 % of pixels"] == pytest.approx(1.0, abs=1e-4)
    assert found.verdict.evidence["own rules"] == "OneWrongPixelBackward"


def test_a_model_that_bears_no_watching_is_examined_unwatched():
    def shy(p):
        if torch._C._is_torch_function_mode_enabled():
            raise RuntimeError("somebody is looking")
        return torch.sin(p["x"] * X).sum()

    found = diagnose(shy, {"x": 1.5})["x"]
    assert found.gradient == pytest.approx(float((X * torch.cos(1.5 * X)).sum()), rel=1e-12)
    assert found.verdict.code == "healthy"


def test_a_model_that_raises_on_one_side_is_differentiated_from_the_other():
    def narrow(p):
        if p["x"] > 1.5:
            raise ArithmeticError("beyond the range")
        return (p["x"] * X).sum()

    found = diagnose(narrow, {"x": 1.5})["x"]
    assert math.isnan(found.finite_difference.right)
    assert found.finite_difference.derivative == pytest.approx(float(X.sum()), rel=1e-9)
    assert (found.agreement, found.verdict.code) == ("agrees", "healthy")


def test_an_image_that_raises_beside_the_point_has_no_contributions():
    def narrow(p):
        if p["x"] != 1.5:
            raise ArithmeticError("beyond the range")
        return WithoutForwardMode.apply(p["x"] * X)

    found = diagnose(narrow, {"x": 1.5}, loss=torch.sum)["x"]
    assert (found.magnitude, found.cancellation, found.verdict.code) == (None, None, "W3")


def test_a_large_change_that_raises_decides_nothing():
    def narrow(p):
        if abs(float(p["x"].detach()) - 1.5) > 0.1:
            raise ArithmeticError("beyond the range")
        return (0 * p["x"] * X).sum()

    inert = diagnose(lambda p: (0 * p["x"] * X).sum(), {"x": 1.5})["x"]
    assert inert.verdict.code == "Z4"
    assert diagnose(narrow, {"x": 1.5})["x"].verdict.code not in ("Z4", "Z5")


def test_a_large_change_beyond_a_bound_is_not_tried():
    kahn = quantity("beam.polarization_factor")
    scenario = scene((kahn.name,), beam={"polarization_factor": kahn.high, "nopolar": True})
    verdict = diagnose(scenario)[kahn.name].verdict
    assert verdict.code == "Z4"
    assert verdict.evidence["because"] == "nopolar switches the polarization factor off"


def test_a_loss_that_has_no_gradient_by_the_image_weighs_no_pixel():
    counted = diagnose(lambda p: torch.sin(p["x"] * X), {"x": 1.5}, loss=lambda image: (image > 0.5).double().sum())
    assert counted["x"].magnitude == 0
    assert counted["x"].verdict.code == "Z9"


def test_a_loss_that_cannot_be_differentiated_by_the_image_is_judged_by_its_net():
    def loss(image):
        if image.is_leaf and image.requires_grad:
            raise RuntimeError("not with this image")
        return image.sum()

    found = diagnose(lambda p: torch.sin(p["x"] * X), {"x": leaf(1.5)}, loss=loss)
    assert found["x"].magnitude is None
    assert found["x"].agreement == "agrees"


def test_a_gradient_that_fails_in_the_other_precision_is_left_out():
    def only_double(p):
        if p["x"].dtype is torch.float32:
            raise TypeError("give doubles")
        return torch.sin(p["x"] * X).sum()

    found = diagnose(only_double, {"x": 1.5})["x"]
    assert found.single is None
    assert found.verdict.code == "healthy"


def test_an_error_of_a_scenarios_own_loss_is_told_as_it_is():
    def loss(image):
        raise KeyError("target")

    with pytest.raises(DoctorError, match=r"scenario raised KeyError: 'target'"):
        diagnose(scene(loss=loss))


def test_a_step_that_is_no_step_is_refused_with_its_name():
    with pytest.raises(DoctorError, match=r"steps\['x'\] = -1: must be a positive number"):
        diagnose(lambda p: (p["x"] * X).sum(), {"x": 1.5}, steps={"x": -1})


def test_sensitivities_add_up_to_the_gradient_of_the_sum():
    scenario = scene((CELL_A, "detector.distance_mm"))
    found = sensitivities(scenario)
    leaves = scenario.leaves()
    gradients = torch.autograd.grad(scenario.image(leaves).sum(), list(leaves.values()))
    assert list(found) == ["a", "distance"]
    for image, gradient in zip(found.values(), gradients, strict=True):
        assert image.shape == (16, 16)
        assert float(image.sum()) == pytest.approx(float(gradient), rel=1e-9)


def test_a_loss_in_single_precision_is_checked_in_double():
    found = diagnose(lambda p: torch.sin(p["x"] * X.to(p["x"])).sum(), {"x": leaf(1.5, torch.float32)})
    assert found.dtype == "float32"
    assert found["x"].single == found["x"].gradient
    assert found["x"].gradient == pytest.approx(float((X * torch.cos(1.5 * X)).sum()), rel=1e-5)
    assert (found["x"].agreement, found["x"].verdict.code) == ("agrees", "healthy")


def test_a_gradient_that_is_infinite_is_compared_with_nothing():
    found = diagnose(lambda p: torch.sqrt(p["x"]).sum() * 1.0, {"x": torch.zeros((), dtype=F64)})["x"]
    assert found.gradient == math.inf
    assert (found.agreement, found.verdict.code) == ("not finite", "N2")
