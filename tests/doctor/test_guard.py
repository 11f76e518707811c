"""The gradient guard itself, around functions that stand in for torch's."""

import sys
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
import torch

from nanobrag_torch.doctor.guard import MOST_NODES, DoubtfulCheck, GradientGuard


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


@contextmanager
def guarded():
    """Torch's own functions, watched for a while."""
    guard = GradientGuard()
    guard.watch(torch.autograd, sys.modules["torch.autograd.gradcheck"], torch.autograd.functional, torch.func)
    try:
        yield guard
    finally:
        guard.release()


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


def test_a_tolerance_beside_which_the_derivative_is_small_hides_a_wrong_one(watched):
    guard, autograd, _ = watched
    assert autograd.gradcheck(lambda a: 1e-6 * a.sin(), x(), step=0.5)
    assert kinds(guard) == [("gradcheck", "within tolerance")]
    assert "atol=1e-05 beside derivatives by input 0 of at most" in str(guard.findings[0])


def test_elements_that_move_nothing_are_counted_and_shown():
    point = torch.tensor([[1.0, -2.0], [3.0, -4.0]], dtype=torch.float64, requires_grad=True)
    with guarded() as guard:
        assert torch.autograd.gradcheck(torch.relu, point)
    assert kinds(guard) == [("gradcheck", "dead elements")]
    assert "2 of 4 elements of input 0 ((0, 1), (1, 1))" in str(guard.findings[0])


def test_a_complex_element_is_dead_where_both_its_parts_are():
    point = torch.tensor([1 + 2j, 3 - 1j, -1j], dtype=torch.complex128, requires_grad=True)
    with guarded() as guard:
        assert torch.autograd.gradcheck(lambda a: a[0] * a[1].real, point)
    assert "1 of 3 elements of input 0 (2)" in str(guard.findings[0])


def test_a_stationary_point_hides_everything_below_the_tolerance():
    point = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    with guarded() as guard:
        assert torch.autograd.gradcheck(lambda a: a**2, point)
    assert kinds(guard) == [("gradcheck", "within tolerance")]


@pytest.mark.parametrize("options", [{}, {"fast_mode": True}, {"check_forward_ad": True}], ids=str)
def test_a_sound_check_of_torch_itself_is_silent(options):
    with guarded() as guard:
        assert torch.autograd.gradcheck(lambda a, b: (a.sin() * b, a + b), (x(), x()), **options)
        assert torch.autograd.gradgradcheck(lambda a: a.sin() * a, x())
    assert guard.findings == []


GIVING = {
    "grad": lambda f: torch.autograd.grad(f(at := x()), at),
    "jacobian": lambda f: torch.autograd.functional.jacobian(f, x().detach()),
    "hessian": lambda f: torch.func.hessian(f)(x().detach()),
    "jacrev": lambda f: torch.func.jacrev(f)(x().detach()),
    "jacfwd": lambda f: torch.func.jacfwd(f)(x().detach()),
    "grad_and_value": lambda f: torch.func.grad_and_value(f)(x().detach()),
}


@pytest.mark.parametrize("name", GIVING)
def test_a_gradient_of_zeros_is_seen_wherever_it_comes_from(name):
    with guarded() as guard:
        GIVING[name](lambda a: (a.sin() ** 2).sum())
        assert guard.findings == []
        GIVING[name](lambda a: (a * 0).sum())
    assert kinds(guard) == [(name, "all zero")]


def test_what_else_a_function_returns_is_no_gradient():
    with guarded() as guard:
        torch.func.grad(lambda a: (a.sin().sum(), torch.zeros(1)), has_aux=True)(x().detach())
        torch.func.grad(lambda a: ((a * 0).sum(), torch.ones(1)), has_aux=True)(x().detach())
    assert kinds(guard) == [("grad", "all zero")]


def test_a_second_pass_of_zeros_is_seen_behind_what_the_first_one_left():
    a = x()
    with guarded() as guard:
        a.sin().sum().backward()
        (a * 0).sum().backward()
    assert kinds(guard) == [("backward", "all zero")]
    assert torch.equal(a.grad, a.detach().cos())


def test_of_a_graph_too_large_to_search_nothing_is_said():
    a, b = x(), x()
    total = (a * 0).sum()
    for _ in range(MOST_NODES):
        total = total + b.sum()
    with guarded() as guard:
        total.backward()
    assert guard.findings == []


def test_gradients_within_a_check_or_a_transform_are_the_checks_own():
    with guarded() as guard:
        torch.func.vmap(torch.func.grad(lambda a: a.sin().sum()))(x().detach()[:, None])
        assert torch.autograd.gradcheck(
            lambda a: torch.autograd.grad((a.sin()).sum() + 0 * a.sum(), a, create_graph=True)[0], x()
        )
    assert guard.findings == []


def test_a_compiled_function_may_take_gradients_while_watched():
    with guarded() as guard:
        compiled = torch.compile(lambda a: torch.func.grad(lambda b: (b**2).sum())(a), backend="eager", fullgraph=True)
        assert torch.equal(compiled(x().detach()), 2 * x().detach())
    assert guard.findings == []


def test_released_functions_are_the_original_ones(watched):
    guard, autograd, checks = watched
    assert autograd.gradcheck is not gradcheck
    guard.release()
    assert autograd.gradcheck is checks.gradcheck is autograd.gradgradcheck is gradcheck
    assert autograd.backward is torch.autograd.backward


def test_a_doubtful_check_says_what_to_do():
    assert str(DoubtfulCheck("backward", "all zero", "look")) == "backward: look"
