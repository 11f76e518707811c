"""Diagnosis of one training step: which parameters have a gradient, how large it is, and which of them move."""

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from .records import Severity
from .subject import DoctorError


@dataclass(frozen=True)
class StepFinding:
    """Finding of one training step on a parameter.

    Attributes:
        name: short name of the finding.
        severity: "fault", "warning" or "healthy".
        meaning: what was seen.
        remedy: what to do.
    """

    name: str
    severity: Severity
    meaning: str
    remedy: str


@dataclass(frozen=True)
class ParameterStep:
    """One parameter of an optimiser before and after a step.

    Attributes:
        name: its name, where the optimiser was given named parameters; "group 0, parameter 1" otherwise.
        shape: its shape.
        asks: it asks for a gradient.
        gradient: Euclidean norm of its gradient, None where there is none.
        zero: number of elements of the gradient that are exactly zero.
        not_finite: number of elements of the gradient that are NaN or infinite.
        value: Euclidean norm of the parameter before the step.
        update: Euclidean norm of its change by the step.
        moved: number of elements that changed.
        finding: what this says.
    """

    name: str
    shape: tuple[int, ...]
    asks: bool
    gradient: float | None
    zero: int
    not_finite: int
    value: float
    update: float
    moved: int
    finding: StepFinding

    @property
    def relative_update(self) -> float:
        """Change by the step as part of the parameter; infinite for a parameter that was zero and moved."""
        return self.update / self.value if self.value else math.inf if self.update else 0.0


@dataclass(frozen=True)
class StepReport:
    """One training step: its loss, and every parameter that the optimiser holds, in its order."""

    loss: float
    parameters: tuple[ParameterStep, ...]

    def __getitem__(self, name: str) -> ParameterStep:
        """The parameter of this name."""
        return next(p for p in self.parameters if p.name == name)

    def __str__(self) -> str:
        """One line for each parameter."""
        lines = [f"loss {self.loss:.6g}"]
        for p in self.parameters:
            size = "none" if p.gradient is None else f"{p.gradient:.3g}"
            lines.append(
                f"{p.name}: gradient {size}, relative update {p.relative_update:.3g}: "
                f"{p.finding.name} ({p.finding.severity}). {p.finding.remedy}"
            )
        return "\n".join(lines)


#: Read from the top: the first row that holds is the finding.
STEP_FINDINGS: tuple[tuple[Callable[[dict[str, Any]], bool], StepFinding], ...] = (
    (lambda s: not s["asks"],
     StepFinding("frozen", "warning", "the parameter asks for no gradient", "Leave it out of the optimiser, or "
                 "unfreeze it with requires_grad_().")),
    (lambda s: s["gradient"] is None,
     StepFinding("no gradient", "fault", "backward() did not reach the parameter", "See that the loss is made of the "
                 "tensor that the optimiser holds, and that nothing detaches it; diagnose() finds the line.")),
    (lambda s: s["not_finite"] > 0,
     StepFinding("not finite", "fault", "elements of the gradient are NaN or infinite", "diagnose() names the "
                 "operation that made them.")),
    (lambda s: s["gradient"] == 0,
     StepFinding("zero gradient", "warning", "every element of the gradient is zero", "diagnose() says whether the "
                 "zero is right.")),
    (lambda s: s["moved"] == 0,
     StepFinding("does not move", "fault", "there is a gradient, and the step changes no element", "Raise the learning "
                 "rate, rescale the parameter or optimise its logarithm; the change is zero or below its rounding.")),
    (lambda s: True, StepFinding("moves", "healthy", "gradient and update are there", "Nothing to do.")),
)  # fmt: skip


def diagnose_step(closure: Callable[[], Tensor], optimizer: torch.optim.Optimizer) -> StepReport:
    """Take one training step, say what it did to every parameter, and take it back.

    Parameters, gradients, the optimiser's state and torch's random numbers on the CPU are afterwards what they were.
    What else the closure changes, such as statistics of a batch normalisation, is not.

    Args:
        closure: what ``optimizer.step`` takes: it clears the gradients, computes the loss, calls ``backward()`` and
            returns the loss.
        optimizer: any optimiser of torch.

    Returns:
        A frozen report with the size of gradient and update of every parameter that the optimiser holds.

    Raises:
        DoctorError: the closure returns no loss, or does not call ``backward()``.

    Example:
        ```python
        def closure():
            optimizer.zero_grad()
            loss = criterion(model(inputs), target)
            loss.backward()
            return loss


        print(diagnose_step(closure, optimizer))
        ```
    """
    if not isinstance(optimizer, torch.optim.Optimizer) or not callable(closure):
        raise DoctorError(
            f"diagnose_step({type(closure).__name__}, {type(optimizer).__name__}): must be a function and an "
            "optimiser. Write diagnose_step(closure, optimizer)."
        )
    named = _named(optimizer)
    before = {name: p.detach().clone() for name, p in named.items()}
    gradients = {name: p.grad for name, p in named.items()}
    kept = {name: None if p.grad is None else p.grad.detach().clone() for name, p in named.items()}
    state = copy.deepcopy(optimizer.state_dict())
    try:
        with torch.random.fork_rng(devices=[]):
            for p in named.values():
                p.grad = None
            loss: Any = optimizer.step(closure)  # type: ignore[arg-type]
            _check(loss, named)
            steps = tuple(_of(name, p, before[name]) for name, p in named.items())
    finally:
        with torch.no_grad():
            for name, p in named.items():
                p.copy_(before[name])
                p.grad = gradients[name]
                old = kept[name]
                if p.grad is not None and old is not None:
                    p.grad.copy_(old)
        optimizer.load_state_dict(state)
    return StepReport(float(loss.detach()), steps)


def _named(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    return {
        name: p
        for g, group in enumerate(optimizer.param_groups)
        for name, p in zip(
            group.get("param_names") or [f"group {g}, parameter {i}" for i in range(len(group["params"]))],
            group["params"],
            strict=True,
        )
    }


def _check(loss: Any, named: dict[str, Tensor]) -> None:
    """Refuse a closure that is none.

    Raises:
        DoctorError: it returned no loss of one element, or did not call ``backward()``.
    """
    if not isinstance(loss, Tensor) or loss.numel() != 1:
        raise DoctorError(
            f"closure returned {type(loss).__name__}: must be the loss, a tensor of one element. End it "
            "with return loss."
        )
    asking = [p for p in named.values() if p.requires_grad]
    if loss.requires_grad and asking and all(p.grad is None for p in asking):
        try:
            found = torch.autograd.grad(loss, asking, allow_unused=True)
        except RuntimeError:
            # The graph has been used: backward() was called, and reached none of them.
            return
        if any(g is not None for g in found):
            raise DoctorError("closure left no gradient: must call loss.backward() before it returns the loss.")


def _of(name: str, p: Tensor, before: Tensor) -> ParameterStep:
    change = p.detach() - before
    gradient = None if p.grad is None else p.grad.detach()
    if gradient is not None and gradient.layout is not torch.strided:
        gradient = gradient.to_dense()
    seen: dict[str, Any] = {
        "asks": p.requires_grad,
        "gradient": None if gradient is None else float(torch.linalg.vector_norm(gradient)),
        "zero": 0 if gradient is None else int((gradient == 0).sum()),
        "not_finite": 0 if gradient is None else int((~torch.isfinite(gradient)).sum()),
        "value": float(torch.linalg.vector_norm(before)),
        "update": float(torch.linalg.vector_norm(change)),
        "moved": int((change != 0).sum()),
    }
    finding = next(finding for holds, finding in STEP_FINDINGS if holds(seen))
    return ParameterStep(name=name, shape=tuple(p.shape), finding=finding, **seen)
