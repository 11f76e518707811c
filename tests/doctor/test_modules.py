"""Modules that are called once more, in the backward pass or in the loss, and modules after a diagnosis."""

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from nanobrag_torch.doctor import DoctorError, diagnose

X = torch.tensor([[0.3, -0.8], [1.1, 0.4]], dtype=torch.float64)


class Adjoint(torch.autograd.Function):
    """A module whose gradient is taken by calling it once more in the backward pass, as adjoint solvers do."""

    @staticmethod
    def forward(ctx, module, x, *parameters):
        ctx.module = module
        ctx.save_for_backward(x, *parameters)
        with torch.no_grad():
            return module(x)

    @staticmethod
    def backward(ctx, gradient):
        x, *parameters = ctx.saved_tensors
        with torch.enable_grad():
            again = ctx.module(x.detach())
        return None, None, *torch.autograd.grad(again, parameters, gradient, allow_unused=True)


class ByAdjoint(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(2, 3), nn.Tanh()).double()

    def forward(self, x):
        return Adjoint.apply(self.inner, x, *self.inner.parameters())


class Checkpointed(nn.Module):
    def __init__(self, reentrant):
        super().__init__()
        self.inner, self.reentrant = nn.Sequential(nn.Linear(2, 3), nn.Tanh()).double(), reentrant

    def forward(self, x):
        return checkpoint(self.inner, x.requires_grad_(self.reentrant), use_reentrant=self.reentrant)


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(2, 2).double(), nn.Linear(2, 2).double()
        self.last.weight = self.first.weight

    def forward(self, x):
        return self.last(torch.tanh(self.first(x)))


def squares(output):
    return (output**2).sum()


def autograd(module, loss):
    module.zero_grad()
    loss(module(X)).backward()
    return {name: p.grad.clone() for name, p in module.named_parameters()}


@pytest.mark.parametrize(
    "made",
    [ByAdjoint, lambda: Checkpointed(True), lambda: Checkpointed(False), Tied],
    ids=["adjoint", "reentrant checkpoint", "checkpoint", "tied weights"],
)
def test_a_module_that_is_called_again_in_the_backward_pass_is_healthy(made):
    torch.manual_seed(3)
    module = made()
    expected = autograd(module, squares)
    report = diagnose(module, X.clone(), loss=squares)
    assert {p.verdict.code for p in report.parameters} == {"healthy"}
    for parameter in report.parameters:
        name, bracket, index = parameter.name.partition("[")
        if bracket:
            assert parameter.gradient == pytest.approx(float(expected[name].flatten()[int(index[:-1])]), rel=1e-9)


def test_a_loss_that_asks_the_module_for_its_weights_sees_those_of_the_call():
    torch.manual_seed(3)
    module = nn.Linear(2, 2).double()

    def decayed(output):
        return squares(output) + 0.1 * sum(squares(p) for p in module.parameters())

    expected = autograd(module, decayed)
    report = diagnose(module, X, loss=decayed)
    assert report.verdict.code == "healthy"
    assert [p.gradient for p in report.parameters[:4]] == pytest.approx(expected["weight"].flatten().tolist())


class Raises(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(2, 2).double()

    def forward(self, x):
        raise RuntimeError("no output")


@pytest.mark.parametrize(
    "made", [ByAdjoint, Tied, Raises, lambda: nn.BatchNorm1d(2).double(), lambda: nn.LSTM(2, 2).double()]
)
def test_a_module_is_as_it_was_after_a_diagnosis_however_that_ended(made):
    module = made().train()
    before = module.state_dict(keep_vars=True)
    values = {name: tensor.clone() for name, tensor in before.items()}
    try:
        diagnose(module, X, loss=lambda output: squares(output[0] if isinstance(output, tuple) else output))
    except DoctorError as error:
        assert "no output" in str(error)
    after = module.state_dict(keep_vars=True)
    assert all(after[name] is tensor and torch.equal(tensor, values[name]) for name, tensor in before.items())
    assert all(part.training for part in module.modules())
    assert all(isinstance(p, nn.Parameter) for p in module.parameters())
