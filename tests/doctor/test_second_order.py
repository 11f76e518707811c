"""Second derivatives: right where torch's own rules make them, and named where a hand-written rule loses them."""

import math
from typing import Any

import pytest
import torch
from doctor.cases import scene
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from nanobrag_torch.doctor import DoctorError, GradientReport, diagnose
from nanobrag_torch.doctor.report import to_html

F64 = torch.float64
AT = {"x": torch.tensor([0.3, 0.4], dtype=F64)}


class Sine(Function):
    """Sine; its rule keeps the argument, as it should."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x.sin()

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        return g * ctx.saved_tensors[0].cos()


class Once(Sine):
    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g: Tensor) -> Tensor:
        return g * ctx.saved_tensors[0].cos()


class Detached(Sine):
    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        return g * ctx.saved_tensors[0].detach().cos()


class Intermediate(Sine):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.slope = x.cos()
        return x.sin()

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        return g * ctx.slope


def alone(rule: Any) -> Any:
    return lambda p: rule.apply(p["x"]).sum()


def squared(rule: Any) -> Any:
    return lambda p: (rule.apply(p["x"]) ** 2).sum()


@pytest.mark.parametrize("rule", [Once, Detached, Intermediate], ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("loss, code", [(alone, "S2"), (squared, None)], ids=["alone", "squared"])
def test_a_rule_that_cannot_be_differentiated_again_is_named_with_its_line(rule, loss, code):
    assert set(diagnose(loss(rule), AT).codes.values()) == {"healthy"}
    found = diagnose(loss(rule), AT, order=2)["x[0]"]
    assert found.verdict.severity == "fault"
    assert found.verdict.code in ({code} if code else {"S2", "W4"})
    assert found.verdict.evidence["own rules"] == rule.__name__
    assert "test_second_order.py" in found.verdict.source
    assert "rule.apply" in found.verdict.source


def test_a_sound_rule_of_ones_own_has_a_second_derivative():
    report = diagnose(squared(Sine), AT, order=2)
    assert set(report.codes.values()) == {"healthy"}
    # v moves each number by 0.3 of itself, up its gradient; the second derivative of sin² is 2 cos 2x.
    for found, x in zip(report.parameters, (0.3, 0.4), strict=True):
        assert found.second.product == pytest.approx(0.3 * x * 2 * math.cos(2 * x), rel=1e-6)
        assert found.second.finite_difference.derivative == pytest.approx(found.second.product, rel=1e-8)


@pytest.mark.parametrize(
    "loss, at, operation",
    [
        (lambda p: torch.cdist(p["x"], 2 * p["x"]).square().sum(), torch.eye(2, dtype=F64) + 0.1, "Cdist"),
        (
            lambda p: torch.nn.functional.ctc_loss(
                p["x"].log_softmax(-1), torch.tensor([[1]]), torch.tensor([2]), torch.tensor([1])
            ),
            torch.tensor([[[0.1, 0.2]], [[0.4, 0.1]]], dtype=F64),
            "CtcLoss",
        ),
    ],
    ids=["cdist", "ctc"],
)  # fmt: skip
def test_an_operation_of_torch_without_a_second_derivative_is_named(loss, at, operation):
    found = diagnose(loss, {"x": at}, order=2).parameters[0]
    assert found.verdict.code == "S2"
    assert found.verdict.evidence["operation"] == operation
    assert "not implemented" in found.verdict.evidence["error"]
    assert "test_second_order.py" in found.verdict.source


def test_a_nan_that_arises_in_the_second_derivative_is_led_back_to_the_operation_of_the_model():
    def loss(p: dict[str, Tensor]) -> Tensor:
        zero = p["x"] - p["x"].detach()
        return torch.linalg.vector_norm(zero) + (p["x"] ** 3).sum()

    found = diagnose(loss, AT, order=2)["x[0]"]
    assert found.verdict.code == "N2"
    assert found.verdict.title.startswith("second derivative: ")
    assert "LinalgVectorNorm" in found.verdict.evidence["operation"]
    assert "vector_norm(zero)" in found.verdict.source


def test_a_nan_that_reaches_no_gradient_is_called_harmless():
    def loss(p: dict[str, Tensor]) -> Tensor:
        safe = torch.where(p["x"] > 0.35, p["x"], 0.0)
        return (safe.sqrt() * torch.tensor([0.0, 1.0], dtype=F64)).sum()

    with torch.autograd.set_detect_anomaly(True), pytest.raises(RuntimeError, match="nan"):
        loss({"x": AT["x"].clone().requires_grad_()}).backward()
    found = diagnose(loss, AT)["x[1]"]
    assert found.verdict.code == "healthy"
    assert found.verdict.evidence == {"not finite, harmless": "derivative of Sqrt"}
    assert "safe.sqrt()" in found.verdict.source


@pytest.mark.filterwarnings("ignore:None of the inputs have requires_grad")
def test_a_gradient_that_can_be_taken_without_a_graph_alone_says_so():
    def loss(p: dict[str, Tensor]) -> Tensor:
        return torch.utils.checkpoint.checkpoint(torch.sin, p["x"], use_reentrant=True).sum()

    found = diagnose(loss, AT, order=2)["x[0]"]
    assert found.verdict.code == "S2"
    assert "use_reentrant" in found.verdict.evidence["error"]


def test_a_parameter_without_effect_has_no_second_derivative_either():
    data = torch.linspace(0, 1, 12, dtype=F64).reshape(6, 2) ** 2

    def loss(p: dict[str, Tensor]) -> Tensor:
        normal = torch.nn.functional.batch_norm(data + p["bias"], None, None, training=True)
        return (torch.sin(p["scale"] * normal) * data).sum()

    report = diagnose(loss, {"scale": 1.2, "bias": torch.tensor([0.1, 0.2], dtype=F64)}, order=2)
    assert report["scale"].second.verdict.code == "healthy"
    assert {found.verdict.severity for found in report.parameters} <= {"healthy", "explained"}


def test_a_linear_loss_has_no_second_derivative_and_no_fault():
    found = diagnose(lambda p: 3 * p["x"].sum(), AT, order=2)["x[0]"]
    assert found.verdict.code == "healthy"
    assert found.second.verdict.code == "Z4"


def test_a_first_derivative_at_fault_is_named_before_any_second_one():
    report = diagnose(lambda p: (p["x"].detach() ** 2).sum(), AT, order=2)
    assert report["x[0]"].verdict.severity == "fault"
    assert report["x[0]"].second is None


def test_the_simulator_can_be_differentiated_twice():
    report = diagnose(scene(("crystal.cell_a", "detector.distance_mm")), order=2)
    assert {found.second.verdict.code for found in report.parameters} == {"healthy"}
    assert all(found.second.product for found in report.parameters)


def test_a_report_of_second_order_is_written_read_back_and_shown():
    report = diagnose(squared(Sine), AT, order=2)
    assert GradientReport.from_json(report.to_json()) == report
    assert to_html(report).count("second derivative: healthy") == 2


def test_what_no_longer_fits_the_budget_is_unexamined():
    first = diagnose(squared(Sine), AT).cost.evaluations
    found = diagnose(squared(Sine), AT, order=2, evaluations=first + 1)["x[0]"]
    assert found.second.verdict.code == "unexamined"


def test_another_order_is_refused():
    with pytest.raises(DoctorError, match="order = 3: must be 1"):
        diagnose(squared(Sine), AT, order=3)
