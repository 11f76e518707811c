"""Second order: a gradient is a function too, and its own gradient is examined as that of any loss is.

The loss L becomes its slope p -> v·grad L(p) along one fixed direction v. The slope's gradient by autograd is a
Hessian-vector product, its finite difference a difference of gradients. Measurements, criteria and causes are those of
the first order, with a few rows before them that know of derivatives written by hand.
"""

import math
from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from . import criteria, evidence
from .evidence import EvidenceItems
from .graph import BackwardNode, inspect
from .observation import Observation
from .records import GradientVerdict
from .rules import RULES, VerdictRule
from .subject import DoctorError, Subject

_BY_HAND = (
    "Write backward() in torch operations on what save_for_backward() kept of inputs and outputs: "
    "no once_differentiable, detach(), numbers, numpy, or results of intermediate steps."
)
_KEEP = "Write the operation in others that have second derivatives; of a rule of your own, drop once_differentiable."
#: Codes about an optimiser's step and another program's gradient, which ask nothing of a second derivative.
_FIRST_ORDER_ALONE = frozenset({"S10", "W5"})


def slope_of(subject: Subject, gradients: Mapping[str, float | None]) -> Subject:
    """The slope of a loss along one fixed direction, as a loss.

    Every coordinate moves by a change that matters, up its gradient, so that nothing cancels in the slope. A scenario
    is examined in double precision.

    Args:
        subject: the loss.
        gradients: its gradient by every coordinate, by name.
    """
    if subject.simulation is not None:
        subject = subject.cast(torch.float64)
    direction = _direction(subject, gradients)

    def slope(values: dict[str, Tensor]) -> Tensor:
        twice = any(value.requires_grad for value in values.values())
        with torch.enable_grad():
            points = {name: v if v.requires_grad else v.clone().requires_grad_() for name, v in values.items()}
            loss, _ = subject.evaluate(points)
            if not loss.requires_grad:
                return torch.zeros_like(loss)
            gradients = torch.autograd.grad(loss, list(points.values()), create_graph=twice, allow_unused=True)
            terms = [
                torch.real((g.conj() * direction[name].to(g)).sum()).to(loss.device)
                for name, g in zip(points, gradients, strict=True)
                if g is not None
            ]
            return torch.stack(terms).sum() if terms else torch.zeros_like(loss)

    return replace(
        subject,
        name=f"gradient of {subject.name}",
        function=slope,
        loss=None,
        leaf=dict.fromkeys(subject.values, True),
        simulation=None,
        rebuild=None,
    )


def second_order_rules(custom: tuple[BackwardNode, ...]) -> tuple[VerdictRule, ...]:
    """Decision table of the second derivative of a loss whose graph has these rules written by hand."""

    def cut(o: Observation) -> EvidenceItems:
        place = evidence.conversion(criteria.ANY)(o)
        if custom:
            place = {"own rules": ", ".join(sorted({node.operation for node in custom})), "source": custom[0].line}
        return {**evidence.discrepancy(o), **place}

    own = (
        VerdictRule(
            "Z4", "explained", lambda o: o.hidden and o.far_changes is False,
            "the gradient does not depend on this parameter: the loss is linear in it", "Nothing to do.",
        ),
        VerdictRule(
            "S2", "fault", lambda o: o.gradient is None and o.responds,
            "the gradient changes with the parameter, and cannot be differentiated by it", _BY_HAND, cut,
        ),
        VerdictRule(
            "W4", "fault", lambda o: o.agreement == "disagrees" and bool(custom),
            "part of it is missing: a derivative that is written by hand is not differentiated as it should be",
            _BY_HAND, cut,
        ),
    )  # fmt: skip
    return own + tuple(rule for rule in RULES if rule.code not in _FIRST_ORDER_ALONE)


def refusal(slope: Subject) -> GradientVerdict | None:
    """Verdict on a slope that refuses to be differentiated, with the operation that does; None where it does not."""
    leaves = slope.leaves()
    try:
        with torch.autograd.set_detect_anomaly(True, check_nan=False):
            loss, _ = slope.evaluate(leaves)
    except DoctorError as error:
        # A reentrant checkpoint, for one, gives gradients without a graph alone.
        cause = str(error.__cause__ or error).splitlines()[0]
        return GradientVerdict(
            "S2", "fault", "no gradient can be taken with a graph of its own", _KEEP, {"error": cause}
        )
    graph = inspect(loss, leaves)
    if graph.refused_at is None:
        return None
    node = graph.refused_at
    return GradientVerdict(
        "S2", "fault", "the derivative of an operation cannot be differentiated again", _KEEP,
        {"operation": node.within or node.operation, "error": graph.error}, None, node.line or None,
    )  # fmt: skip


def _direction(subject: Subject, gradients: Mapping[str, float | None]) -> dict[str, Tensor]:
    """Direction by parameter: the sum of all coordinates' directions, each up its gradient."""
    direction = {name: torch.zeros_like(value) for name, value in subject.values.items()}
    for coordinate in subject.coordinates:
        distance = math.copysign(coordinate.far, gradients.get(coordinate.name) or 1.0)
        base = direction[coordinate.parameter]
        direction[coordinate.parameter] = base + distance * coordinate.direction.to(base).reshape(base.shape)
    return direction
