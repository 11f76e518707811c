"""Gradient guard: watch torch's gradient checks and backward passes for vacuous ones, which prove nothing."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

DoubtKind = Literal["zero with zero", "all zero", "not finite", "single precision"]

#: Nodes of a backward graph that are searched for leaves: a larger graph is a model in training, not a check.
MOST_NODES = 2000


@dataclass(frozen=True)
class DoubtfulCheck:
    """A gradient check that is vacuous, or that cannot be trusted.

    Attributes:
        check: name of the function that was called: gradcheck, gradgradcheck or backward.
        kind: fault of the check.
        message: the fault and its remedy, in words.
    """

    check: str
    kind: DoubtKind
    message: str

    def __str__(self) -> str:
        return f"{self.check}: {self.message}"


MESSAGES: dict[DoubtKind, str] = {
    "zero with zero": "compared zero with zero for input {which}: no output moved when it did. "
    "Give the function a point at which it depends on its input.",
    "all zero": "every gradient is exactly zero. Check that the loss depends on its parameters here, "
    "or mark the test with zero_gradient if that is the point.",
    "not finite": "{which} not finite. Move off the singular point, or use a stable form.",
    "single precision": "checked in {which}: rounding hides errors of a percent. Use float64 inputs.",
}


class GradientGuard:
    """Wrapper of gradcheck, gradgradcheck and backward; ``findings`` are the doubtful checks that it saw."""

    def __init__(self) -> None:
        self.findings: list[DoubtfulCheck] = []
        self._within = ""
        self._replaced: list[tuple[Any, str, Any]] = []

    def watch(self, autograd: Any, checks: Any) -> None:
        """Wrap the functions of ``autograd`` (the package) and ``checks`` (the module that has gradcheck)."""
        for name in ("gradcheck", "gradgradcheck"):
            wrapped = self._checked(getattr(checks, name), name)
            self._replace(checks, name, wrapped)
            self._replace(autograd, name, wrapped)
        self._replace(autograd, "backward", self._backward(autograd.backward))

    def release(self) -> None:
        """Put the original functions back."""
        for owner, name, original in reversed(self._replaced):
            setattr(owner, name, original)
        self._replaced.clear()

    def _replace(self, owner: Any, name: str, wrapped: Any) -> None:
        self._replaced.append((owner, name, getattr(owner, name)))
        setattr(owner, name, wrapped)

    def _say(self, check: str, kind: DoubtKind, which: str = "") -> None:
        self.findings.append(DoubtfulCheck(self._within or check, kind, MESSAGES[kind].format(which=which)))

    def _checked(self, original: Callable[..., Any], name: str) -> Callable[..., Any]:
        @functools.wraps(original)
        def check(func: Callable[..., Any], inputs: Any, *args: Any, **kwargs: Any) -> Any:
            given = inputs if isinstance(inputs, (tuple, list)) else (inputs,)
            coarse = {str(x.dtype) for x in given if _wants_gradient(x) and x.dtype in (torch.float32, torch.complex64)}
            if coarse:
                self._say(name, "single precision", ", ".join(sorted(coarse)))
            if name == "gradgradcheck":
                # It calls gradcheck on the gradient, where the guard sees it again, under this name.
                self._within = name
                try:
                    return original(func, inputs, *args, **kwargs)
                finally:
                    self._within = ""
            watched = _Watched(func)
            result = original(watched, inputs, *args, **kwargs)
            idle = [i for i, x in enumerate(given) if _wants_gradient(x) and i not in watched.responded]
            if watched.calls > 1 and idle:
                self._say(name, "zero with zero", ", ".join(map(str, idle)))
            if watched.infinite:
                self._say(name, "not finite", "an output is")
            return result

        return check

    def _backward(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def backward(tensors: Any, *args: Any, **kwargs: Any) -> Any:
            leaves = _leaves(tensors)
            result = original(tensors, *args, **kwargs)
            gradients = [leaf.grad for leaf in leaves if leaf.grad is not None]
            if gradients and not any(bool(g.any()) for g in gradients):
                self._say("backward", "all zero")
            elif not all(bool(torch.isfinite(g).all()) for g in gradients):
                self._say("backward", "not finite", "a gradient is")
            return result

        return backward


class _Watched:
    """A function under gradcheck: records the inputs that were moved and made an output move."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.calls = 0
        self.responded: set[int] = set()
        self.infinite = False
        self._inputs: list[Tensor | None] = []
        self._outputs: list[Tensor] = []

    def __call__(self, *inputs: Any) -> Any:
        result = self.function(*inputs)
        with torch.no_grad():
            self._compare(inputs, result)
        self.calls += 1
        return result

    def _compare(self, inputs: Any, result: Any) -> None:
        outputs = [x.detach() for x in (result if isinstance(result, (tuple, list)) else (result,)) if _is_dense(x)]
        if self.calls == 0:
            self._inputs = [x.detach().clone() if _is_dense(x) else None for x in inputs]
            self._outputs = [x.clone() for x in outputs]
            self.infinite = not all(bool(torch.isfinite(x).all()) for x in outputs)
            return
        waiting = [i for i, x in enumerate(self._inputs) if x is not None and i not in self.responded]
        if not waiting or (len(outputs) == len(self._outputs) and all(map(torch.equal, outputs, self._outputs))):
            return
        for i in waiting:
            first = self._inputs[i]
            if first is not None and not torch.equal(first, inputs[i].detach()):
                self.responded.add(i)


def _is_dense(value: Any) -> bool:
    return isinstance(value, Tensor) and value.layout is torch.strided


def _wants_gradient(value: Any) -> bool:
    return _is_dense(value) and value.requires_grad


def _leaves(tensors: Any) -> list[Tensor]:
    """Leaves of a backward graph, as far as they are found among its first nodes."""
    roots = tensors if isinstance(tensors, (tuple, list)) else (tensors,)
    stack = [t.grad_fn for t in roots if isinstance(t, Tensor) and t.grad_fn is not None]
    seen = set(stack)
    leaves = []
    while stack and len(seen) < MOST_NODES:
        node = stack.pop()
        variable = getattr(node, "variable", None)
        if variable is not None:
            leaves.append(variable)
        for following, _ in node.next_functions:
            if following is not None and following not in seen:
                seen.add(following)
                stack.append(following)
    return leaves
