"""A training step is taken, described and taken back."""

import pytest
import torch
from torch import nn

from nanobrag_torch.doctor import DoctorError, diagnose_step

X = torch.tensor([[0.1, -0.7], [0.9, 0.3], [-0.5, 0.8]], dtype=torch.float64)


def closure_of(optimizer, loss_of):
    def closure():
        optimizer.zero_grad()
        loss = loss_of()
        loss.backward()
        return loss

    return closure


def findings(report):
    return {p.name: p.finding.name for p in report.parameters}


@pytest.mark.parametrize("kind", [torch.optim.SGD, torch.optim.Adam, torch.optim.LBFGS])
def test_a_healthy_step_moves_every_parameter_and_is_taken_back(kind):
    torch.manual_seed(0)
    model = nn.Linear(2, 1).double()
    optimizer = kind(model.parameters(), lr=0.1)
    closure = closure_of(optimizer, lambda: (model(X) ** 2).sum())
    optimizer.step(closure)
    values = [p.detach().clone() for p in model.parameters()]
    gradients = [p.grad.clone() for p in model.parameters()]
    state = str(optimizer.state_dict())
    report = diagnose_step(closure, optimizer)
    assert findings(report) == {"group 0, parameter 0": "moves", "group 0, parameter 1": "moves"}
    assert all(torch.equal(p, v) for p, v in zip(model.parameters(), values, strict=True))
    assert all(torch.equal(p.grad, g) for p, g in zip(model.parameters(), gradients, strict=True))
    assert str(optimizer.state_dict()) == state


def test_size_of_gradient_and_update_are_those_of_the_rule_of_the_optimiser():
    x = torch.tensor([3.0, 4.0], dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.SGD([("x", x)], lr=0.1)
    report = diagnose_step(closure_of(optimizer, lambda: (x**2).sum() / 2), optimizer)
    assert (report["x"].gradient, report["x"].update) == (5.0, pytest.approx(0.5))
    assert report["x"].relative_update == pytest.approx(0.1)
    assert report.loss == 12.5
    assert "x: gradient 5" in str(report)


def test_every_parameter_that_does_not_learn_is_named_with_its_reason():
    def leaf(value):
        return torch.tensor(value, dtype=torch.float32, requires_grad=True)

    good, frozen, foreign, dead, undefined, lost = (leaf(v) for v in (1.0, 1.0, 1.0, -1.0, 0.0, 1e9))
    frozen.requires_grad_(False)
    held = {"good": good, "frozen": frozen, "foreign": foreign, "dead": dead, "undefined": undefined, "lost": lost}
    optimizer = torch.optim.SGD(list(held.items()), lr=1e-3)

    def loss():
        copied = foreign.detach().clone().requires_grad_()
        return good**2 + frozen + copied + torch.relu(dead) + torch.sqrt(undefined**2) + lost

    assert findings(diagnose_step(closure_of(optimizer, loss), optimizer)) == {
        "good": "moves",
        "frozen": "frozen",
        "foreign": "no gradient",
        "dead": "zero gradient",
        "undefined": "not finite",
        "lost": "does not move",
    }


def test_a_closure_that_is_none_is_refused_and_changes_nothing():
    x = torch.tensor(1.0, requires_grad=True)
    optimizer = torch.optim.SGD([x], lr=0.1)
    with pytest.raises(DoctorError, match="return loss"):
        diagnose_step(lambda: None, optimizer)
    with pytest.raises(DoctorError, match=r"must call loss.backward\(\)"):
        diagnose_step(lambda: x**2, optimizer)
    with pytest.raises(DoctorError, match=r"diagnose_step\(closure, optimizer\)"):
        diagnose_step(optimizer, lambda: x**2)
    assert float(x.detach()) == 1.0
    assert x.grad is None
