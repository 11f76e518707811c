"""Gradient guard: watch torch's gradient checks and gradients for vacuous ones, which prove nothing."""

import functools
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

DoubtKind = Literal["zero with zero", "dead elements", "within tolerance", "all zero", "not finite", "single precision"]

#: Nodes of a backward graph that are searched for leaves: a larger graph is a model in training, not a check.
MOST_NODES = 500
#: Gradients that are looked at, and calls of a function under gradcheck, in one test: enough for a check, and cheap.
MOST_GRADIENTS = 50
MOST_CALLS = 1000
#: An absolute tolerance that is more than this part of the largest derivative hides a wrong one.
HIDES = 0.2
#: Default of gradcheck.
ATOL = 1e-5
#: Transforms of torch.func: each makes a function that gives gradients.
TRANSFORMS = ("grad", "grad_and_value", "jacrev", "jacfwd", "hessian")


@dataclass(frozen=True)
class DoubtfulCheck:
    """A gradient check that is vacuous, or that cannot be trusted.

    Attributes:
        check: name of the function that was called: gradcheck, gradgradcheck, backward, grad, jacobian, ...
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
    "dead elements": "compared zero with zero for {which}: no output moved when they did. "
    "Give the function a point at which it depends on all of its input.",
    "within tolerance": "atol={which}: a wrong gradient passes. Lower atol, or scale the function up.",
    "all zero": "every gradient is exactly zero. Check that the loss depends on its parameters here, "
    "or mark the test with zero_gradient if that is the point.",
    "not finite": "{which} not finite. Move off the singular point, or use a stable form.",
    "single precision": "checked in {which}: rounding hides errors of a percent. Use float64 inputs.",
}


class GradientGuard:
    """Wrapper of torch's gradient checks and gradients; ``findings`` are the doubtful ones that it saw.

    Args:
        heard: called after every new finding.
    """

    def __init__(self, heard: Callable[[], None] = lambda: None) -> None:
        self.findings: list[DoubtfulCheck] = []
        self._heard = heard
        self._looks = 0
        self._within = ""
        self._replaced: list[tuple[Any, str, Any]] = []

    def watch(self, autograd: Any, checks: Any, functional: Any = None, func: Any = None) -> None:
        """Wrap functions.

        Args:
            autograd: ``torch.autograd``.
            checks: the module that has gradcheck.
            functional: ``torch.autograd.functional``, None to leave it alone.
            func: ``torch.func``, None to leave it alone.
        """
        for name in ("gradcheck", "gradgradcheck"):
            wrapped = self._checked(getattr(checks, name), name)
            self._replace(checks, name, wrapped)
            self._replace(autograd, name, wrapped)
        self._replace(autograd, "backward", self._backward(autograd.backward))
        for owner, names in ((autograd, ("grad",)), (functional, ("jacobian", "hessian"))):
            for name in names:
                if hasattr(owner, name):
                    self._replace(owner, name, self._giving(getattr(owner, name), name))
        for name in TRANSFORMS if func is not None else ():
            self._replace(func, name, self._transform(getattr(func, name), name))

    def release(self) -> None:
        """Put the original functions back."""
        for owner, name, original in reversed(self._replaced):
            setattr(owner, name, original)
        self._replaced.clear()

    def begin(self) -> None:
        """Forget what was found, before a test."""
        self.findings.clear()
        self._looks = 0

    def _replace(self, owner: Any, name: str, wrapped: Any) -> None:
        self._replaced.append((owner, name, getattr(owner, name)))
        setattr(owner, name, wrapped)

    def _say(self, check: str, kind: DoubtKind, which: str = "") -> None:
        finding = DoubtfulCheck(self._within or check, kind, MESSAGES[kind].format(which=which))
        if finding not in self.findings:
            self.findings.append(finding)
            self._heard()

    def _busy(self) -> bool:
        """Nothing is to be looked at: within another call that is watched or compiled, or enough has been seen."""
        if self._within or torch.compiler.is_compiling() or self._looks >= MOST_GRADIENTS:
            return True
        self._looks += 1
        return False

    @contextmanager
    def _inside(self, name: str) -> Iterator[None]:
        """While torch works on a call that is watched, the calls that it makes itself are not."""
        before, self._within = self._within, self._within or name
        try:
            yield
        finally:
            self._within = before

    def _checked(self, original: Callable[..., Any], name: str) -> Callable[..., Any]:
        @functools.wraps(original)
        def check(func: Callable[..., Any], inputs: Any, *args: Any, **kwargs: Any) -> Any:
            given = inputs if isinstance(inputs, (tuple, list)) else (inputs,)
            coarse = {str(x.dtype) for x in given if _wants_gradient(x) and x.dtype in (torch.float32, torch.complex64)}
            if coarse:
                self._say(name, "single precision", ", ".join(sorted(coarse)))
            with self._inside(name):
                if name == "gradgradcheck":
                    # It calls gradcheck on the gradient, where the guard sees it again, under this name.
                    return original(func, inputs, *args, **kwargs)
                watched = _Watched(func, kwargs.get("atol", ATOL))
                result = original(watched, inputs, *args, **kwargs)
                for kind, which in watched.doubts(given):
                    self._say(name, kind, which)
            return result

        return check

    def _backward(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def backward(tensors: Any, *args: Any, **kwargs: Any) -> Any:
            if self._busy():
                return original(tensors, *args, **kwargs)
            leaves, complete = _leaves(tensors)
            # Hooks see what this pass adds; .grad may hold what earlier ones left.
            sizes: list[float] = []
            note: Callable[[Tensor], None] = lambda g: sizes.extend(_sizes(g))  # noqa: E731
            handles = [leaf.register_hook(note) for leaf in leaves if leaf.requires_grad]  # type: ignore[no-untyped-call]
            try:
                with self._inside("backward"):
                    result = original(tensors, *args, **kwargs)
            finally:
                for handle in handles:
                    handle.remove()
            self._judge("backward", sizes, complete)
            return result

        return backward

    def _giving(self, original: Callable[..., Any], name: str, part: Callable[[Any], Any] = lambda x: x) -> Any:
        """Wrap a function that gives gradients, or has them as a ``part`` of its result."""

        @functools.wraps(original)
        def gradients(*args: Any, **kwargs: Any) -> Any:
            if self._busy():
                return original(*args, **kwargs)
            with self._inside(name):
                result = original(*args, **kwargs)
            self._judge(name, list(_sizes(part(result))))
            return result

        return gradients

    def _transform(self, original: Callable[..., Any], name: str) -> Callable[..., Any]:
        @functools.wraps(original)
        def transform(*args: Any, **kwargs: Any) -> Any:
            paired = name == "grad_and_value" or kwargs.get("has_aux", len(args) > 2 and args[2])
            made = original(*args, **kwargs)
            return self._giving(made, name, (lambda result: result[0]) if paired else (lambda result: result))

        return transform

    def _judge(self, check: str, sizes: list[float], complete: bool = True) -> None:
        """Judge gradients by their largest elements; not all of the gradients may be known."""
        if not all(map(math.isfinite, sizes)):
            self._say(check, "not finite", "a gradient is")
        elif sizes and complete and not any(sizes):
            self._say(check, "all zero")


class _Watched:
    """A function under gradcheck: records the inputs that were moved, and what that did to its outputs.

    Most calls need one comparison of outputs: an input is looked at until it has moved an output steeply enough, and
    again where it moved none.

    Args:
        function: the function.
        atol: absolute tolerance of the check.

    Attributes:
        calls: calls so far; the first is at the point of the check.
        infinite: an output was not finite there.
        steepest: by input that moved an output, the largest change of an output by the sum of changes of the input.
    """

    def __init__(self, function: Callable[..., Any], atol: float) -> None:
        self.function = function
        self.atol = atol
        self.calls = 0
        self.infinite = False
        self.steepest: dict[int, float] = {}
        self._inputs: list[Tensor | None] = []
        self._outputs: list[Tensor] = []
        #: By input, its elements that moved no output upwards, and downwards.
        self._still: dict[int, tuple[Tensor, Tensor]] = {}

    def __call__(self, *inputs: Any) -> Any:
        result = self.function(*inputs)
        if self.calls < MOST_CALLS:
            with torch.no_grad():
                self._compare(inputs, result)
        self.calls += 1
        return result

    def doubts(self, given: Any) -> Iterator[tuple[DoubtKind, str]]:
        """Doubts about the check of these inputs, each with the inputs that it concerns."""
        asked = [i for i, x in enumerate(given) if _wants_gradient(x)]
        idle = [i for i in asked if i not in self.steepest]
        if self.calls > 1 and idle:
            yield "zero with zero", ", ".join(map(str, idle))
        for i in asked:
            if i in idle:
                continue
            dead = self._dead(i, given[i].is_complex())
            if dead:
                shown = ", ".join(str(index[0] if len(index) == 1 else tuple(index)) for index in dead[:3])
                more = ", ..." if len(dead) > 3 else ""
                yield "dead elements", f"{len(dead)} of {given[i].numel()} elements of input {i} ({shown}{more})"
            if self._is_hidden(i):
                yield (
                    "within tolerance",
                    f"{self.atol:g} beside derivatives by input {i} of at most {self.steepest[i]:.2g}",
                )
        if self.infinite:
            yield "not finite", "an output is"

    def _dead(self, i: int, is_complex: bool) -> list[list[int]]:
        """Indices of the elements of an input that moved no output, neither way."""
        if i not in self._still:
            return []
        up, down = self._still[i]
        dead = up & down
        indices: list[list[int]] = (dead.all(-1) if is_complex else dead).nonzero().tolist()
        return indices

    def _is_hidden(self, i: int) -> bool:
        return self.steepest[i] * HIDES <= self.atol

    def _compare(self, inputs: Any, result: Any) -> None:
        outputs = [x.detach() for x in (result if isinstance(result, (tuple, list)) else (result,)) if _is_dense(x)]
        if self.calls == 0:
            self._inputs = [_real(x).clone() if _is_dense(x) else None for x in inputs]
            self._outputs = [x.clone() for x in outputs]
            self.infinite = not all(bool(torch.isfinite(x).all()) for x in outputs)
            return
        still = len(outputs) == len(self._outputs) and all(map(torch.equal, outputs, self._outputs))
        for i, first in enumerate(self._inputs):
            if first is None or not (still or i not in self.steepest or self._is_hidden(i)):
                continue
            now = _real(inputs[i])
            if torch.equal(first, now):
                continue
            if still:
                if i not in self._still:
                    self._still[i] = (
                        torch.zeros_like(first, dtype=torch.bool),
                        torch.zeros_like(first, dtype=torch.bool),
                    )
                up, down = self._still[i]
                up |= now > first
                down |= now < first
            else:
                slope = self._height(outputs) / float((now - first).abs().sum())
                self.steepest[i] = max(self.steepest.get(i, 0.0), slope)

    def _height(self, outputs: list[Tensor]) -> float:
        """Largest change of an output; infinite where they cannot be compared."""
        if [x.shape for x in outputs] != [x.shape for x in self._outputs]:
            return math.inf
        changes = [float((x - first).abs().max()) for x, first in zip(outputs, self._outputs, strict=True) if x.numel()]
        return math.inf if any(map(math.isnan, changes)) else max(changes, default=math.inf)


def _real(value: Tensor) -> Tensor:
    """A tensor without its graph, a complex one as its real and imaginary parts."""
    value = value.detach()
    return torch.view_as_real(value.resolve_conj()) if value.is_complex() else value


def _is_dense(value: Any) -> bool:
    return isinstance(value, Tensor) and value.layout is torch.strided


def _wants_gradient(value: Any) -> bool:
    return _is_dense(value) and value.requires_grad


def _sizes(gradients: Any) -> Iterator[float]:
    """Largest absolute element of every gradient in a nest of them; one that has no numbers to read is left out."""
    if isinstance(gradients, Mapping):
        gradients = tuple(gradients.values())
    if isinstance(gradients, (tuple, list)):
        for gradient in gradients:
            yield from _sizes(gradient)
    elif isinstance(gradients, Tensor) and gradients.numel():
        try:
            values = gradients.detach()
            values = values if values.layout is torch.strided else values.coalesce().values()
            yield float(torch.linalg.vector_norm(values, math.inf)) if values.numel() else 0.0
        except RuntimeError:
            # Within a transform, or without storage.
            return


def _leaves(tensors: Any) -> tuple[list[Tensor], bool]:
    """Leaves of a backward graph, as far as they are found among its first nodes, and whether these are all."""
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
    return leaves, not stack
