"""The doctor takes parameters as people hold them, and says what to write where it cannot."""

import math
from collections import namedtuple

import numpy as np
import pytest
import torch
from torch import nn

from nanobrag_torch.doctor import DoctorError, diagnose

X = torch.tensor([[0.1, -0.7, 0.4], [0.9, 0.3, -0.2], [-0.5, 0.8, 0.6], [0.2, -0.1, 1.1]], dtype=torch.float64)
Pair = namedtuple("Pair", "left right")


def squares(output):
    return (output**2).sum()


def codes(report):
    return {p.name: p.verdict.code for p in report.parameters}


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.other = nn.Linear(3, 3, bias=False), nn.Linear(3, 3, bias=False)
        self.other.weight = self.one.weight

    def forward(self, x, scale=1.0):
        return {"out": self.other(torch.tanh(self.one(x))) * scale}


def test_a_module_is_examined_by_its_parameters_and_left_as_it_was():
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(3, 1, bias=False), nn.BatchNorm1d(1), nn.Tanh()).double()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    report = diagnose(module, X, loss=squares)
    assert set(codes(report)) == {"0.weight[0]", "0.weight[1]", "0.weight[2]", "1.weight", "1.bias"}
    assert report["1.bias"].verdict.code == "healthy"
    assert all(torch.equal(before[name], value) for name, value in module.state_dict().items())
    squares(module(X)).backward()
    assert report["1.bias"].gradient == pytest.approx(float(module[1].bias.grad), rel=1e-9)


def test_a_frozen_parameter_of_a_module_is_left_out():
    module = nn.Linear(3, 1).double()
    module.bias.requires_grad_(False)
    assert set(codes(diagnose(module, X, loss=squares))) == {"weight[0]", "weight[1]", "weight[2]"}


def test_tied_parameters_are_one_and_any_output_may_be_reduced():
    report = diagnose(Tied().double(), {"x": X, "scale": 2.0}, loss=lambda output: squares(output["out"]))
    assert codes(report) == {"one.weight (along a random direction)": "healthy"}
    assert report.parameters[0].verdict.evidence["tied with"] == "other.weight"


SHARED = torch.tensor(3.0, dtype=torch.float64, requires_grad=True)
SHARED_COMPLEX = torch.tensor(1 + 2j, dtype=torch.complex128)


@pytest.mark.parametrize(
    ("function", "params", "gradients", "ties"),
    [
        (lambda p: p["x"] ** 2 * p["y"], {"x": SHARED, "y": SHARED}, {"x": 27.0}, {"x": "y"}),
        (lambda p: p["a"][0] * p["b"] * p["c"], {"a": [SHARED], "b": 2.0, "c": SHARED}, {"a.0": 12.0, "b": 9.0},
         {"a.0": "c"}),
        (lambda p: (p["u"] * p["v"]).real, {"u": SHARED_COMPLEX, "v": SHARED_COMPLEX}, {"u.real": 2.0, "u.imag": -4.0},
         {"u.real": "v.real", "u.imag": "v.imag"}),
    ],
    ids=["flat", "nested", "complex"],
)  # fmt: skip
def test_one_tensor_under_two_names_is_one_parameter_that_moves_under_both(function, params, gradients, ties):
    report = diagnose(function, params, order=2)
    assert {p.name: p.gradient for p in report.parameters} == pytest.approx(gradients)
    assert {p.name: p.verdict.evidence.get("tied with") for p in report.parameters if p.name in ties} == ties
    assert all(p.verdict.severity != "fault" for p in report.parameters)


def test_equal_tensors_and_equal_numbers_are_not_tied():
    report = diagnose(lambda p: p["x"] * p["y"] * p["z"], {"x": 1.0, "y": 1.0, "z": torch.tensor(1.0)})
    assert all(p.gradient == 1.0 and not p.verdict.evidence for p in report.parameters)


def test_a_stale_value_is_found_behind_a_nested_structure_too():
    class Kept:
        scale = None

        def __call__(self, p):
            self.scale = float(p["a"]["x"]) if self.scale is None else self.scale
            return self.scale * p["a"]["y"]

    found = codes(diagnose(Kept(), {"a": {"x": 1.0, "y": 2.0}}))
    assert found == {"a.x": "S3", "a.y": "healthy"}


@pytest.mark.parametrize(
    ("function", "params", "gradients"),
    [
        (lambda p: p["l"][0] * p["l"][1]["b"] ** 2, {"l": [2.0, {"b": 3.0}]}, {"l.0": 9.0, "l.1.b": 12.0}),
        (lambda p: p[0] ** 2 * p[1], [torch.tensor(2.0), torch.tensor(3.0)], {"0": 12.0, "1": 4.0}),
        (lambda p: p.left * p.right, Pair(torch.tensor(2.0), torch.tensor(3.0)), {"left": 3.0, "right": 2.0}),
        (
            lambda p: p["z"].abs() ** 2,
            {"z": torch.tensor(1 + 2j, dtype=torch.complex128, requires_grad=True)},
            {"z.real": 2.0, "z.imag": 4.0},
        ),
        (
            lambda p: -torch.distributions.Normal(p["loc"], p["scale"]).log_prob(torch.tensor(3.0)),
            {"loc": 1.0, "scale": 2.0},
            {"loc": -0.5, "scale": 0.0},
        ),
    ],
    ids=["nested", "list", "named tuple", "complex", "distribution"],
)
def test_parameters_in_any_structure_have_the_gradients_of_calculus(function, params, gradients):
    report = diagnose(function, params)
    assert {p.name: p.gradient for p in report.parameters} == pytest.approx(gradients)
    assert all(p.verdict.severity != "fault" for p in report.parameters)


def test_a_complex_field_may_be_what_a_loss_reduces():
    report = diagnose(
        lambda p: p["z"] * torch.ones(4, dtype=torch.complex128),
        {"z": torch.tensor(1 + 2j, dtype=torch.complex128)},
        loss=lambda field: (field.abs() ** 2).sum(),
    )
    assert codes(report) == {"z.real": "healthy", "z.imag": "healthy"}


def test_a_function_may_empty_the_dict_that_it_is_handed():
    assert codes(diagnose(lambda p: p.pop("x") ** 2, {"x": 3.0})) == {"x": "healthy"}


LINEAR = nn.Linear(3, 1).double()


@pytest.mark.parametrize(
    ("function", "params", "said"),
    [
        (squares, LINEAR, r"diagnose\(module, inputs, loss=...\)"),
        (squares, torch.optim.SGD(LINEAR.parameters(), lr=0.1), r"diagnose\(module, inputs"),
        (squares, [1.0, 2.0], r"diagnose\(function, \{'x'"),
        (squares, torch.tensor(1.0), r"\{'x': tensor\}"),
        (squares, {"q": nn.Identity()}, r"params\['q'\] is a Identity"),
        (squares, {"a": {"b": "text"}}, r"params\['a.b'\] is a str"),
        (squares, {"a.b": 1.0, "a": {"b": 1.0}}, "two of them would be called 'a.b'"),
        (lambda p: (p["x"], p["x"]), {"x": 1.0}, r"returned tuple.*loss=lambda output: output\[0\]"),
        (lambda p: {"total": p["x"]}, {"x": 1.0}, r"returned dict.*loss=lambda output: output\['total'\]"),
        (lambda x, y: x * y, {"x": 1.0, "y": 2.0}, r"the whole dict. Write diagnose\(lambda p: function\(\*\*p\)"),
        (math.sin, {"x": 1.0}, r"the whole dict. Write diagnose\(lambda p: sin\(\*\*p\)"),
        (squares, LINEAR.parameters(), r"a generator is no dict.*diagnose\(module, inputs"),
        (squares, {"x": 1.0}.values(), "a dict_values is no dict.*Write the dict itself"),
        (squares, torch.optim.lr_scheduler.ConstantLR(torch.optim.SGD([X.clone()])), "a ConstantLR is no dict"),
        ({"x": 1.0}, squares, r"dict: must be.*Write diagnose\(function, params\)"),
        (squares, {"x": np.ones(3)}, r"is a ndarray.*Write torch.as_tensor\(params\['x'\]\)"),
        (squares, {"x": torch.tensor(3)}, "An integer has no gradient: leave it out"),
        (squares, {"x": torch.eye(3).to_sparse()}, r"sparse_coo: must be dense.*p\['x'\].to_sparse"),
        (lambda p: (p["x"] * X.to("meta")).sum(), {"x": 1.0 * X}, r"are on cpu. Write diagnose\(function, \{name: t"),
        (LINEAR, X.to("meta"), r"are on cpu. Write diagnose\(module.to\(device\), inputs.to\(device\)"),
        (nn.Linear(3, 1, device="meta"), X, r"\['weight'\] has no values.*module.to_empty"),
        (lambda p: float(p["x"]), {"x": 1.0}, "returned float"),
        (lambda p: p["x"] * 1j, {"x": 1.0}, r"must be real.*loss.abs\(\)"),
        (lambda p: squares(LINEAR(X)), dict(LINEAR.named_parameters()), "does not use the dict.*functional_call"),
        (LINEAR, None, r"without inputs.*diagnose\(module, inputs"),
        (nn.Linear(3, 1).requires_grad_(False), X, "every parameter is frozen"),
    ],
)  # fmt: skip
def test_a_misuse_is_answered_with_the_call_to_write(function, params, said):
    with pytest.raises(DoctorError, match=said):
        diagnose(function, params)


def test_a_loss_that_is_no_function_is_answered_with_the_call_to_write():
    with pytest.raises(DoctorError, match=r"loss: a float is no function.*loss=lambda output"):
        diagnose(lambda p: p["x"], {"x": 1.0}, loss=3.0)


@pytest.mark.gpu
@pytest.mark.parametrize("device", ["cuda"])
def test_parameters_on_a_device_or_on_two_are_examined_there(device):
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    far = torch.linspace(0, 1, 8, dtype=torch.float64, device=device)
    params = {"a": torch.tensor(2.0, dtype=torch.float64), "b": torch.tensor(3.0, dtype=torch.float64, device=device)}
    report = diagnose(lambda p: p["a"].to(device) ** 2 * p["b"] * far, params, loss=torch.sum, order=2)
    total = float(far.sum())
    assert {p.name: p.gradient for p in report.parameters} == pytest.approx({"a": 12 * total, "b": 4 * total})
    assert {p.verdict.code for p in report.parameters} <= {"healthy", "Z4"}
    module = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Tanh(), nn.Linear(4, 1)).to(device)
    report = diagnose(module, X.float().to(device), loss=squares)
    assert all(p.verdict.severity != "fault" for p in report.parameters)
    report = diagnose(lambda p: (p["x"] * far).detach().sum() * p["y"], {"x": 2.0, "y": 3.0})
    assert report["x"].verdict.code == "S2"
    with pytest.raises(DoctorError, match=r"parameters are on cpu. Write diagnose\(module.to"):
        diagnose(nn.Linear(3, 1), X.float().to(device), loss=squares)
    with pytest.raises(DoctorError, match=r"parameters are on cpu. Write diagnose\(function"):
        diagnose(lambda p: squares(p["x"] * far), {"x": far.cpu()})


def test_many_scalars_are_examined_without_the_forward_derivative():
    report = diagnose(lambda p: sum(v**2 for v in p.values()), {f"x{i}": i + 1.0 for i in range(51)})
    assert all(p.verdict.code == "healthy" and p.forward_derivative is None for p in report.parameters)


def test_the_start_of_a_direction_is_not_taken_for_a_parameter_that_is_zero():
    torch.manual_seed(3)
    report = diagnose(nn.TransformerEncoderLayer(8, 2, 16).eval(), torch.randn(4, 2, 8), loss=squares)
    assert "S5" not in codes(report).values()
