"""Parameters that functional_call lends a module for the forward pass, while the backward pass calls it again."""

import copy

import pytest
import torch
from torch import nn
from torch.func import functional_call

from nanobrag_torch.doctor import diagnose

F64 = torch.float64
X = torch.tensor([0.3, -0.8, 1.1], dtype=F64)


class Again(torch.autograd.Function):
    """Call of a module that is differentiated by calling it again, as an adjoint method does."""

    @staticmethod
    def forward(ctx, module, x, *parameters):
        ctx.module = module
        ctx.save_for_backward(x, *parameters)
        return module(x)

    @staticmethod
    def backward(ctx, slope):
        x, *parameters = ctx.saved_tensors
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            output = ctx.module(x)
            found = torch.autograd.grad(output, (x, *parameters), slope, allow_unused=True, materialize_grads=True)
        return None, *found


class NoSlope(torch.autograd.Function):
    """Product with a weight whose derivative is zero by mistake."""

    @staticmethod
    def forward(ctx, x, weight):
        return x * weight

    @staticmethod
    def backward(ctx, slope):
        return slope, (slope * 0).sum()


class Sine(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(0.7, dtype=F64))

    def forward(self, x):
        return torch.sin(self.weight * x)


class Remembering(nn.Module):
    """Module whose inner one is called again in the backward pass."""

    def __init__(self):
        super().__init__()
        self.inner = Sine()

    def forward(self, x):
        return Again.apply(self.inner, x, *self.inner.parameters())


def slope(weight):
    """Derivative of the sum of squares, worked out by hand."""
    return float((2 * torch.sin(weight * X) * torch.cos(weight * X) * X).sum())


def squares(output):
    return (output**2).sum()


def test_the_call_that_lends_the_parameters_is_named_with_what_to_write():
    module = Remembering()
    found = diagnose(lambda p: squares(functional_call(module, {"inner.weight": p["w"]}, (X,))), {"w": 0.7})["w"]
    assert (found.verdict.code, found.verdict.severity, found.gradient) == ("S8", "fault", 0.0)
    assert "functional_call(module, {" in found.verdict.source
    assert found.verdict.evidence["function"] == "Again"
    assert found.verdict.evidence["used at"].endswith("return torch.sin(self.weight * x)")
    assert "functional_call has put the module's own parameters back" in found.verdict.remedy


def test_so_it_is_where_a_tensor_made_of_the_parameter_is_lent():
    module = Remembering()
    found = diagnose(lambda p: squares(functional_call(module, {"inner.weight": 2 * p["w"]}, (X,))), {"w": 0.35})["w"]
    assert found.verdict.code == "S8"


def test_a_module_that_is_called_again_is_right_in_its_own_program_and_healthy():
    module = Remembering()
    before = copy.deepcopy(module.state_dict())
    report = diagnose(module, X, loss=squares)
    assert report["inner.weight"].verdict.code == "healthy"
    assert report["inner.weight"].gradient == pytest.approx(slope(0.7), rel=1e-12)
    assert module.inner.weight.grad is None
    assert all(torch.equal(before[name], value) for name, value in module.state_dict().items())


def test_a_function_that_is_itself_wrong_is_not_said_to_lend():
    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.tensor(0.7, dtype=F64))

        def forward(self, x):
            return NoSlope.apply(x, self.weight)

    module = Own()
    found = diagnose(lambda p: squares(functional_call(module, {"weight": p["w"]}, (X,))), {"w": 0.7})["w"]
    assert found.verdict.severity == "fault" and found.verdict.code != "S8"


def test_the_adjoint_of_an_equation_solver_is_named_and_mended_by_what_is_advised():
    torchdiffeq = pytest.importorskip("torchdiffeq")
    t = torch.linspace(0, 1, 5, dtype=F64)

    class Decay(nn.Module):
        def __init__(self):
            super().__init__()
            self.rate = nn.Parameter(torch.tensor(0.7, dtype=F64))

        def forward(self, t, x):
            return -self.rate * x

    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            self.decay = Decay()

        def forward(self, x):
            return torchdiffeq.odeint_adjoint(self.decay, x, t, rtol=1e-9, atol=1e-9)

    network, start = Network(), torch.tensor(1.5, dtype=F64)
    exact = float((-2 * t * 1.5**2 * torch.exp(-1.4 * t)).sum())

    def called_within(p):
        return squares(functional_call(network, {"decay.rate": p["a"]}, (start,)))

    def as_advised(p):
        def right_hand_side(t, x):
            return functional_call(network.decay, {"rate": p["a"]}, (t, x))

        return squares(
            torchdiffeq.odeint_adjoint(
                right_hand_side, start, t, rtol=1e-9, atol=1e-9, adjoint_params=tuple(p.values())
            )
        )

    assert diagnose(called_within, {"a": 0.7})["a"].verdict.code == "S8"
    for healthy in (diagnose(as_advised, {"a": 0.7})["a"], diagnose(network, start, loss=squares)["decay.rate"]):
        assert healthy.verdict.code == "healthy"
        assert healthy.gradient == pytest.approx(exact, rel=1e-6)
