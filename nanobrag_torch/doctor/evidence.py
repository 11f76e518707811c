"""The numbers and places that speak for a verdict, by name; what is None is left out."""

from collections.abc import Callable

from nanobrag_torch.doctor import criteria as ask
from nanobrag_torch.doctor.observation import Observation
from nanobrag_torch.doctor.watch import Event

Facts = dict[str, float | str | None]
Evidence = Callable[[Observation], Facts]


def conversion(kind: Callable[[Event], bool]) -> Evidence:
    """Where a tensor that depends on the parameter was converted."""

    def evidence(o: Observation) -> Facts:
        event = ask.first_conversion(o, kind)
        return {} if event is None else {"operation": event.operation, "source": event.line}

    return evidence


def end_of_signal(operations: frozenset[str] | None = None) -> Evidence:
    """The operation at which the backward signal became zero."""

    def evidence(o: Observation) -> Facts:
        place = o.ends_at(operations) if operations else next(iter(o.ends), None)
        return {} if place is None else {"operation": place.operation, "source": place.line}

    return evidence


def breakdown(o: Observation) -> Facts:
    """The operation at which value or gradient ceased to be finite."""
    event, place = o.shared.watch.broken or o.shared.watch.tainted, o.shared.graph.breaks
    if ask.value_breaks(o) and event is not None:
        return {"operation": event.operation, "result": event.result, "zeros": float(event.zeros), "source": event.line}
    if place is not None:
        return {"operation": f"derivative of {place.operation}", "source": place.line}
    return {}


def jump(o: Observation) -> Facts:
    """A discontinuity nearby."""
    jump = o.difference.jump if o.difference else None
    return {} if jump is None else {"jump at": jump.at, "height": jump.height}


def both_sides(o: Observation) -> Facts:
    """The slopes on both sides."""
    return {} if o.difference is None else {"left": o.difference.left, "right": o.difference.right}


def zero_factor(o: Observation) -> Facts:
    """What makes the image dark."""
    lift = " and ".join(revival.factor for revival in o.shared.revivals)
    return {"image maximum": 0.0, **({"zero factor": lift} if lift else end_of_signal()(o))}


def discrepancy(o: Observation) -> Facts:
    """How far autograd and finite difference lie apart."""
    if o.difference is None or o.gradient is None:
        return {}
    gap = abs(o.gradient - o.difference.derivative)
    numbers: Facts = {"|AD - FD|": gap, "error bar": o.difference.error}
    if o.magnitude:
        numbers["|AD - FD| / A"] = gap / o.magnitude
    if o.concentration is not None:
        numbers["share of the worst 1 % of pixels"] = o.concentration
    return numbers


def pole(o: Observation) -> Facts:
    """The discrepancy, and the quotient that is close to its pole."""
    places = o.shared.graph.noisy_divisions
    return {**discrepancy(o), **({"source": places[0].line} if places else {})}


def both_precisions(o: Observation) -> Facts:
    """The gradient in both precisions."""
    return {"float32": o.single, "float64": o.double}
