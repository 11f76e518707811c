"""The gradient guard itself, around functions that stand in for torch's."""

from types import SimpleNamespace

import pytest
import torch

from nanobrag_torch.doctor.guard import DoubtfulCheck, GradientGuard


def gradcheck(function, inputs, step=0.0):
    """Call a function twice, the second time with its inputs moved, as torch's own does."""
    inputs = inputs if isinstance(inputs, tuple) else (inputs,)
    function(*inputs)
    function(*(x.detach() + step for x in inputs))
    return True


@pytest.fixture
def watched():
    names = {"gradcheck": gradcheck, "gradgradcheck": gradcheck, "backward": torch.autograd.backward}
    autograd, checks = SimpleNamespace(**names), SimpleNamespace(**names)
    guard = GradientGuard()
    guard.watch(autograd, checks)
    return guard, autograd, checks


def kinds(guard):
    return [(found.check, found.kind) for found in guard.findings]


def x():
    return torch.tensor([1.5, 3.0], dtype=torch.float64, requires_grad=True)


def test_an_output_that_is_not_finite_is_reported(watched):
    guard, autograd, _ = watched
    assert autograd.gradcheck(lambda a: a / 0, x(), step=0.5)
    assert ("gradcheck", "not finite") in kinds(guard)
    assert "an output is not finite" in str(guard.findings[-1])


def test_a_check_that_never_moves_its_input_proves_nothing(watched):
    guard, _, checks = watched
    assert checks.gradcheck(torch.sin, x(), step=0.0)
    assert kinds(guard) == [("gradcheck", "zero with zero")]
    guard.findings.clear()
    assert checks.gradcheck(torch.sin, x(), step=0.5)
    assert guard.findings == []


def test_inputs_that_ask_for_no_gradient_need_not_respond(watched):
    guard, autograd, _ = watched
    assert autograd.gradcheck(lambda a, n: a * 2, (x(), torch.ones(2)), step=0.5)
    assert guard.findings == []


def test_several_losses_are_looked_at_together(watched):
    guard, autograd, _ = watched
    one, other = x(), x()
    autograd.backward([(one * 0).sum(), other.sin().sum()])
    assert guard.findings == []
    autograd.backward([(x() * 0).sum(), (x() * 0).sum()])
    assert kinds(guard) == [("backward", "all zero")]


def test_released_functions_are_the_original_ones(watched):
    guard, autograd, checks = watched
    assert autograd.gradcheck is not gradcheck
    guard.release()
    assert autograd.gradcheck is checks.gradcheck is autograd.gradgradcheck is gradcheck
    assert autograd.backward is torch.autograd.backward


def test_a_doubtful_check_says_what_to_do():
    assert str(DoubtfulCheck("backward", "all zero", "look")) == "backward: look"
