"""Evidence for a verdict: functions that gather numbers and places by name; an entry that is None is left out."""

from collections.abc import Callable

from . import criteria
from .observation import Observation
from .watch import Event

EvidenceItems = dict[str, float | str | None]
EvidenceFunction = Callable[[Observation], EvidenceItems]


def conversion(kind: Callable[[Event], bool]) -> EvidenceFunction:
    """Gather the conversion of that kind at which a tensor that depends on the parameter left the graph."""

    def evidence(o: Observation) -> EvidenceItems:
        event = criteria.first_conversion(o, kind)
        return {} if event is None else {"operation": event.operation, "source": event.line}

    return evidence


def culprit(o: Observation) -> EvidenceItems:
    """Gather the event through which what the gradient lacks left the graph; where none is known the first."""
    event = o.culprit or criteria.first_conversion(o, criteria.ANY)
    return {} if event is None else {"operation": event.operation, "source": event.line}


def lent(o: Observation) -> EvidenceItems:
    """Function whose backward pass uses other parameters than its forward pass, and the call that lent it these."""
    if o.culprit is None:
        return {}
    return {"function": o.culprit.function, "used at": o.culprit.line, "source": o.culprit.lent_at}


def zeroed(operations: frozenset[str] | None = None) -> EvidenceFunction:
    """Gather the operation, one of these or any, at which the backward signal became zero."""

    def evidence(o: Observation) -> EvidenceItems:
        node = o.zeroed_by(operations) if operations else next(iter(o.zeroed_at), None)
        return {} if node is None else {"operation": node.operation, "source": node.line}

    return evidence


def nonfinite(o: Observation) -> EvidenceItems:
    """Operation at which value or gradient ceased to be finite."""
    event = o.shared.watch.nonfinite_at or o.shared.watch.nonfinite_input
    node = o.shared.graph.nonfinite_at
    if criteria.value_is_not_finite(o) and event is not None:
        return {"operation": event.operation, "result": event.result, "zeros": float(event.zeros), "source": event.line}
    if node is not None:
        return {"operation": f"derivative of {node}", "source": node.line}
    return {}


def harmless(o: Observation) -> EvidenceItems:
    """Operation whose value or derivative is not finite, where none of it reaches the loss or this gradient.

    Anomaly mode stops at it all the same.
    """
    node, event = o.shared.graph.nonfinite_at, o.shared.watch.nonfinite_at
    if node is not None:
        return {"not finite, harmless": f"derivative of {node}", "source": node.line}
    return {} if event is None else {"not finite, harmless": event.operation, "source": event.line}


def jump(o: Observation) -> EvidenceItems:
    """Place and height of a discontinuity nearby."""
    jump = o.difference.jump if o.difference else None
    return {} if jump is None else {"jump at": jump.at, "height": jump.height}


def both_sides(o: Observation) -> EvidenceItems:
    """Slopes on both sides."""
    return {} if o.difference is None else {"left": o.difference.left, "right": o.difference.right}


def zero_factor(o: Observation) -> EvidenceItems:
    """Factor that makes the image dark."""
    lift = " and ".join(revival.factor for revival in o.shared.revivals)
    return {"image maximum": 0.0, **({"zero factor": lift} if lift else zeroed()(o))}


def empty_mask(o: Observation) -> EvidenceItems:
    """Last comparison that held for no element."""
    return {"image maximum": 0.0, "source": next(reversed(o.shared.watch.emptied_at), None)}


def discrepancy(o: Observation) -> EvidenceItems:
    """Distance between autograd and finite difference, in the loss's units and as a part of A."""
    if o.difference is None or o.gradient is None:
        return {}
    gap = abs(o.gradient - o.difference.derivative)
    numbers: EvidenceItems = {"|AD - FD|": gap, "error bar": o.difference.error}
    if o.magnitude:
        numbers["|AD - FD| / A"] = gap / o.magnitude
    if o.concentration is not None:
        numbers["share of the worst 1 % of pixels"] = o.concentration
    return numbers


def pole(o: Observation) -> EvidenceItems:
    """Discrepancy, and the quotient that is close to its pole."""
    nodes = o.shared.graph.noisy_divisions
    return {**discrepancy(o), **({"source": nodes[0].line} if nodes else {})}


def own_rules(o: Observation) -> EvidenceItems:
    """Derivative rules in the graph that are written by hand, and hooks that may change a gradient on its way."""
    custom, hooks = o.shared.graph.custom, o.shared.watch.hooked_at
    places = [*hooks, *(node.line for node in custom if node.line)]
    return {
        "own rules": ", ".join(sorted({f"{node.operation}Backward" for node in custom})) or "none",
        "hooks": float(len(hooks)) if hooks else None,
        "source": places[0] if places else None,
    }


def both_precisions(o: Observation) -> EvidenceItems:
    """Gradient in both precisions."""
    return {"float32": o.single, "float64": o.double}
