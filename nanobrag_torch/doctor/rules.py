"""The decision table: one row for each named cause, read from the top; the first row that holds is the verdict.

The codes are those of the project's notes on differentiability: Z zeros that are right, S zeros and gaps that are not,
N not finite, W finite but wrong, D discontinuous or random. W6 is a wrong derivative of which no cause is known.
"""

from collections.abc import Callable
from dataclasses import dataclass

from nanobrag_torch.doctor.observation import CLAMPS, ROUNDING, ROUNDING_OF_A, Observation
from nanobrag_torch.doctor.records import Severity
from nanobrag_torch.doctor.watch import Event

Test = Callable[[Observation], bool]
Evidence = Callable[[Observation], dict[str, float | str | None]]

#: Below this part of its contributions a gradient is a small rest of a large cancellation.
CANCELS = 1e-3
#: Single and double precision differ by more than this part of the gradient.
COARSE = 1e-3
#: An optimiser of the Adam family divides by |gradient| + 1e-8: a gradient this small moves nothing.
LOST_IN_EPSILON = 1e-12
#: Of its largest possible value, the overlap of loss and response below which they do not meet.
OVERLAP = 1e-12


@dataclass(frozen=True)
class Rule:
    """A row: its code, when it holds, what it says, what to do, and the numbers that speak for it."""

    code: str
    severity: Severity
    holds: Test
    title: str
    remedy: str
    evidence: Evidence = lambda o: {}


# ---- what several rows ask --------------------------------------------------------------------------------------


def _first(o: Observation, test: Callable[[Event], bool]) -> Event | None:
    """The first event that passes the test, those outside this package first."""
    found = sorted((event for event in o.severed if test(event)), key=lambda event: event.internal)
    return found[0] if found else None


def _not_finite(o: Observation) -> bool:
    return o.gradient is not None and (o.gradient != o.gradient or abs(o.gradient) == float("inf"))


def _broken(*operations: str) -> Test:
    """A value is not finite, first made so by one of these operations."""

    def holds(o: Observation) -> bool:
        event = o.shared.watch.broken
        return event is not None and _value_breaks(o) and event.operation in operations

    return holds


def _value_breaks(o: Observation) -> bool:
    return o.shared.loss != o.shared.loss or abs(o.shared.loss) == float("inf")


def _gradient_breaks(*operations: str) -> Test:
    """Values are finite, the gradient is not, and it ceased to be so at one of these operations."""

    def holds(o: Observation) -> bool:
        place = o.shared.graph.breaks
        return _not_finite(o) and place is not None and place.operation in operations

    return holds


def _either(*tests: Test) -> Test:
    return lambda o: any(test(o) for test in tests)


def _image_is_finite(o: Observation) -> bool:
    return o.shared.statistics is not None and o.shared.statistics.finite


def _loss_breaks(o: Observation) -> bool:
    """The image is finite, but the loss, or its derivative by the image, is not."""
    weights = o.shared.weights
    bad = weights is not None and not bool(weights.isfinite().all())
    return _image_is_finite(o) and (bad or _value_breaks(o)) and (_not_finite(o) or _value_breaks(o))


def _tainted(o: Observation) -> bool:
    watch = o.shared.watch
    return _value_breaks(o) and watch.broken is None and watch.tainted is not None


def _zeros_of(o: Observation) -> bool:
    return o.shared.watch.broken is not None and o.shared.watch.broken.zeros > 0


def _unweighted(o: Observation) -> bool:
    """Pixels respond, and none of those that do counts in the loss."""
    return bool(o.response) and o.magnitude == 0


def _clamped(o: Observation) -> bool:
    return o.ends_at(CLAMPS) is not None


def _clipped(o: Observation) -> bool:
    """Whether pixels were clamped, rather than one number: a hinge is a clamp of the loss."""
    return any(place.operation in CLAMPS and place.elements > 1 for place in o.ends)


def _flat_loss(o: Observation) -> bool:
    weights = o.shared.weights
    return weights is not None and not bool((weights != 0).any()) and not _weighted_by_zero(o)


def _weighted_by_zero(o: Observation) -> bool:
    """Whether the loss multiplies the image by zeros, or leaves pixels out, rather than being flat itself."""
    return any(place.operation in ("Mul", "Where", "MaskedFill", "Index", "MaskedSelect") for place in o.ends)


def _stationary(o: Observation) -> bool:
    """Gradient and finite difference vanish to rounding although the loss depends on the parameter."""
    if o.gradient is None or o.difference is None:
        return False
    scale = ROUNDING_OF_A * (o.magnitude or 0.0)
    still = abs(o.difference.derivative) <= max(3 * o.difference.error, scale)
    if o.magnitude:
        return still and abs(o.gradient) <= max(scale, 3 * o.difference.error) and (o.cancellation or 0) < 1e-6
    # Without pixels to compare with, the curvature says how large a slope would have been.
    slope = 1e-6 * abs(o.difference.curvature) * o.coordinate.far
    return still and max(abs(o.gradient), o.difference.error) <= slope


def _misses(o: Observation) -> bool:
    """What the loss looks for and what responds hardly overlap."""
    if not o.response or not o.peak_weight or o.magnitude is None:
        return False
    return 0 < o.magnitude <= OVERLAP * o.peak_weight * o.response


def _is_stranger(o: Observation) -> bool:
    """Whether the graph ends in another leaf that looks like the parameter."""
    value = o.shared.subject.values[o.coordinate.parameter]
    return any(s.shape == value.shape and bool((s.detach().to(value) == value).all()) for s in o.shared.graph.strangers)


def _relative_gap(one: float | None, other: float | None) -> float:
    if one is None or other is None:
        return 0.0
    return abs(one - other) / max(abs(one), abs(other), 1e-300)


def _negligible_update(o: Observation) -> bool:
    if o.gradient is None or o.gradient == 0 or o.shared.loss == 0:
        return False
    return abs(o.gradient) < LOST_IN_EPSILON and abs(o.gradient * o.coordinate.value / o.shared.loss) > 1e-6


def _other_mode(o: Observation) -> str | None:
    """The sampling mode whose gradient is the reference that was given, where this one's is not."""
    given = o.shared.reference.get(o.coordinate.name)
    if given is None or o.gradient is None or _relative_gap(given, o.gradient) < 1e-7:
        return None
    modes = o.shared.modes
    return next((mode for mode in modes if _relative_gap(given, modes[mode].get(o.coordinate.name)) < 1e-7), None)


# ---- evidence ---------------------------------------------------------------------------------------------------


def _event(kind: Callable[[Event], bool]) -> Evidence:
    def evidence(o: Observation) -> dict[str, float | str | None]:
        event = _first(o, kind)
        return {} if event is None else {"operation": event.operation, "source": event.line}

    return evidence


def _end(operations: frozenset[str] | None = None) -> Evidence:
    def evidence(o: Observation) -> dict[str, float | str | None]:
        place = o.ends_at(operations) if operations else next(iter(o.ends), None)
        return {} if place is None else {"operation": place.operation, "source": place.line}

    return evidence


def _break(o: Observation) -> dict[str, float | str | None]:
    event, place = o.shared.watch.broken or o.shared.watch.tainted, o.shared.graph.breaks
    if _value_breaks(o) and event is not None:
        return {"operation": event.operation, "result": event.result, "zeros": float(event.zeros), "source": event.line}
    if place is not None:
        return {"operation": f"derivative of {place.operation}", "source": place.line}
    return {}


def _jump(o: Observation) -> dict[str, float | str | None]:
    jump = o.difference.jump if o.difference else None
    return {} if jump is None else {"jump at": jump.at, "height": jump.height}


def _sides(o: Observation) -> dict[str, float | str | None]:
    return {} if o.difference is None else {"left": o.difference.left, "right": o.difference.right}


def _dark(o: Observation) -> dict[str, float | str | None]:
    lift = " and ".join(revival.factor for revival in o.shared.revivals)
    return {"image maximum": 0.0, **({"zero factor": lift} if lift else _end()(o))}


def _error_of_a(o: Observation) -> dict[str, float | str | None]:
    if o.difference is None or o.gradient is None:
        return {}
    gap = abs(o.gradient - o.difference.derivative)
    numbers: dict[str, float | str | None] = {"|AD - FD|": gap, "error bar": o.difference.error}
    if o.magnitude:
        numbers["|AD - FD| / A"] = gap / o.magnitude
    if o.concentration is not None:
        numbers["share of the worst 1 % of pixels"] = o.concentration
    return numbers


def _pole(o: Observation) -> dict[str, float | str | None]:
    places = o.shared.graph.noisy_divisions
    return {**_error_of_a(o), **({"source": places[0].line} if places else {})}


def _precisions(o: Observation) -> dict[str, float | str | None]:
    return {"float32": o.single, "float64": o.double}


def _revived(code: str) -> Test:
    return lambda o: o.shared.dark and any(revival.code == code for revival in o.shared.revivals)


_NO_GRAD: Callable[[Event], bool] = lambda event: event.without_grad  # noqa: E731
_DIRECT: Callable[[Event], bool] = lambda event: event.direct  # noqa: E731
_ANY: Callable[[Event], bool] = lambda event: True  # noqa: E731
_OUTSIDE: Callable[[Event], bool] = lambda event: not event.internal  # noqa: E731

ROOTS = ("Sqrt", "LinalgVectorNorm", "Norm", "Pow", "Rsqrt")

# ---- the table --------------------------------------------------------------------------------------------------

RULES: tuple[Rule, ...] = (
    Rule(
        "D3", "warning", lambda o: not o.shared.repeatable,
        "the loss is random: the same values gave two losses",
        "Draw once and freeze the draws (a seed, or draws made outside), and add noise after the differentiable image.",
        lambda o: {"first": o.shared.repeats[0], "second": o.shared.repeats[1]},
    ),
    Rule(
        "N8", "fault", _tainted,
        "an input is not finite before anything is computed from it",
        "Check what was read or left uninitialised: files, empty tensors, missing values.", _break,
    ),
    Rule(
        "N7", "fault",
        _either(
            _loss_breaks,
            lambda o: _broken("log", "log2", "log10", "log1p", "xlogy")(o) and _zeros_of(o),
            lambda o: _gradient_breaks("Log", "Log2", "Log10", "Xlogy")(o),
        ),
        "the loss is not finite, though the model is: a logarithm, root or quotient of pixels that are zero",
        "Give dark pixels a background, or leave them out before the logarithm, root or division.", _break,
    ),
    Rule(
        "N3", "fault", _gradient_breaks("Atan2", "Acos", "Asin"),
        "an angle is taken where it has no slope: atan2(0, 0), or acos of one",
        "Use the algebraic form of what the angle is needed for (cos 2φ from components) instead of the angle.", _break,
    ),
    Rule(
        "N5", "fault",
        _broken("sqrt", "acos", "asin", "log", "log2", "log10", "pow", "__pow__", "rsqrt", "arccos", "arcsin", "acosh"),
        "a value outside the domain of a root, logarithm or angle: an impossible input",
        "Check the inputs: a cell that spans no volume, a wavelength that is not positive. Validate, do not clamp.",
        _break,
    ),
    Rule(
        "N6", "fault", _either(_broken("exp", "exp2", "expm1", "sinh", "cosh"), _gradient_breaks("Exp")),
        "an exponential overflows",
        "Bound its argument by the physics: a detector seen from behind, a negative absorption length.", _break,
    ),
    Rule(
        "N1", "fault", lambda o: _value_breaks(o) and o.shared.watch.broken is not None,
        "0/0 at an exact integer index, or another quotient at its pole",
        "Reduce the argument to the nearest pole and use the series there, as a stable grating does.", _break,
    ),
    Rule(
        "N4", "fault", lambda o: _not_finite(o) and o.shared.graph.below_where and o.shared.graph.from_zero,
        "the branch that was not selected makes the gradient NaN: zero times infinity below a where()",
        "Make the input of each branch safe before the singular operation, then select.", _break,
    ),
    Rule(
        "N2", "fault", lambda o: _gradient_breaks(*ROOTS)(o),
        "a root or norm of zero has an infinite slope",
        "Write the function in terms of the square, which needs no root.", _break,
    ),
    Rule(
        "N1", "fault", lambda o: _not_finite(o) and not o.shared.graph.below_where,
        "the derivative of a quotient at its pole",
        "Reduce the argument to the nearest pole and use the series there, as a stable grating does.", _break,
    ),
    Rule(
        "N4", "fault", _not_finite,
        "values are finite, the gradient is not",
        "Select between branches after making their inputs safe; look at the operation named.", _break,
    ),
    Rule(
        "S3", "fault", lambda o: bool(o.shared.second_error),
        "something computed in an earlier evaluation is used again, with its graph",
        "Recompute it at every evaluation, or key the cache by the parameters and never keep what carries a graph.",
        lambda o: {"error": o.shared.second_error},
    ),
    Rule(
        "S3", "fault", lambda o: o.flat and o.fresh is not None and abs(o.fresh) > 0,
        "the value is stale: only rebuilt objects notice that the parameter changed",
        "Rebuild the objects, or invalidate what they keep, whenever a parameter changes.",
        lambda o: {"finite difference, rebuilt": o.fresh, "finite difference, reused": 0.0},
    ),
    Rule(
        "S8", "fault", lambda o: not o.shared.subject.leaf[o.coordinate.parameter],
        "the tensor that was handed over is not a leaf: its .grad stays None",
        "Hand over the leaf itself, or call retain_grad() on the tensor.",
    ),
    Rule(
        "S8", "fault", lambda o: o.gradient is None and not o.responds and _is_stranger(o),
        "the loss depends on another tensor of the same value, not on this one",
        "Give the optimiser the tensor that the model holds: they are equal, but not the same object.",
    ),
    Rule(
        "S9", "fault", lambda o: not o.shared.requires_grad and _first(o, _NO_GRAD) is not None,
        "gradients are switched off where the loss is computed",
        "Leave out no_grad() and inference_mode() around the forward pass.", _event(_NO_GRAD),
    ),
    Rule(
        "S5", "fault", lambda o: o.silent and o.coordinate.value == 0 and o.responds and bool(o.near_zero),
        "the parameter is skipped at exactly zero",
        "Always apply the operation; a rotation by zero costs nothing and carries the gradient.",
        lambda o: {"gradient close to zero": o.near_zero},
    ),
    Rule(
        "S1", "fault", lambda o: o.gradient is None and o.responds and _first(o, _DIRECT) is not None,
        "the parameter leaves the graph at the input",
        "Keep the tensor: no float(), .item(), torch.tensor() or numpy between parameter and image.", _event(_DIRECT),
    ),
    Rule(
        "S2", "fault", lambda o: o.gradient is None and o.responds,
        "the graph is cut inside the model: the loss changes with the parameter, the graph does not know",
        "Keep tensors: no detach(), numpy, no_grad() or number between parameter and loss.", _event(_ANY),
    ),
    Rule(
        "Z2", "explained",
        lambda o: o.silent and o.coordinate.value == 0 and not o.responds and not o.response
        and o.difference is not None and o.difference.curvature != 0 and not o.ends_at(CLAMPS | ROUNDING),
        "the parameter enters squared and is zero: its first derivative vanishes, its second does not",
        "Start away from zero, or make the square the parameter.",
        lambda o: {"second derivative": o.difference.curvature if o.difference else None},
    ),
    Rule(
        "Z6", "explained", _revived("Z6"),
        "the resolution limit excludes every sample: the image is zero", "Lower dmin.", _dark,
    ),
    Rule(
        "Z7", "explained", _revived("Z7"),
        "mask or region of interest leave only dark pixels: the image is zero",
        "Widen the region, or open the mask where the spots are.", _dark,
    ),
    Rule(
        "Z10", "explained", _revived("Z10"),
        "no spot meets a pixel: the tails underflow to exactly zero",
        "Broaden the spots (a smaller fudge, more mosaicity), or start closer.", _dark,
    ),
    Rule(
        "Z1", "explained", lambda o: o.shared.dark and o.silent and not o.responds,
        "no signal: the image is zero everywhere, and so is every derivative",
        "Give the factor that is zero a value: structure factors, fluence, or the sensor's absorption.", _dark,
    ),
    Rule(
        "S7", "fault", lambda o: o.shared.is_single and o.silent and bool(o.double),
        "the gradient underflows in single precision", "Use float64, or combine the constants before multiplying.",
        _precisions,
    ),
    Rule(
        "Z8", "explained", lambda o: _unweighted(o) and _clipped(o),
        "every pixel that responds is clipped in the loss", "Differentiate the image before it is clipped.",
        _end(CLAMPS),
    ),
    Rule(
        "Z9", "explained", lambda o: _unweighted(o) and _flat_loss(o),
        "the loss itself has zero slope here: a perfect fit, or a hinge that is inactive",
        "Nothing to do at a perfect fit; otherwise choose a loss that has a slope here.",
        lambda o: {"largest d(loss)/d(image)": 0.0, **_end()(o)},
    ),
    Rule(
        "Z7", "explained", _unweighted,
        "mask or weights leave out every pixel that responds", "Open the mask, or give weight to pixels that respond.",
        lambda o: {"response of all pixels": o.response, "response of weighted pixels": 0.0},
    ),
    Rule(
        "Z10", "explained", _misses,
        "what the loss looks for and what responds do not overlap",
        "Broaden the spots, or start closer to the target.",
        lambda o: {"overlap": (o.magnitude or 0) / ((o.peak_weight or 1) * (o.response or 1))},
    ),
    Rule(
        "S6", "fault", lambda o: o.silent and o.ends_at(ROUNDING) is not None,
        "a rounded value is used where the value itself is needed",
        "Use the value, and the rounded one only to find the nearest integer.", _end(ROUNDING),
    ),
    Rule(
        "S4", "fault", lambda o: o.silent and _clamped(o) and (o.responds or bool(o.far_changes)),
        "the parameter, or what is made of it, is clamped at its bound",
        "Remove the clamp: validate instead, or use a smooth limit.", lambda o: {**_end(CLAMPS)(o), **_sides(o)},
    ),
    Rule(
        "Z4", "explained", lambda o: o.silent and o.flat and o.far_changes is False,
        "the model does not depend on this parameter",
        "See which option makes it inert, or leave it out of the parameters.",
    ),
    Rule(
        "Z5", "explained",
        lambda o: o.silent and not o.responds and ((o.flat and bool(o.far_changes)) or o.pattern == "jumps"),
        "the parameter acts in steps: the loss changes by jumps and is flat between them",
        "Relax it: real numbers of cells, GAUSS instead of TOPHAT, tricubic interpolation.", _jump,
    ),
    Rule(
        "Z3", "explained", _stationary,
        "the loss is stationary here by symmetry: contributions cancel",
        "Break the symmetry, or choose a loss that depends on position.",
        lambda o: {"sum of |contributions|": o.magnitude, "cancellation": o.cancellation},
    ),
    Rule(
        "D1", "explained", lambda o: o.pattern == "jumps" and o.agreement in ("agrees", "inconclusive"),
        "the loss jumps near this point: finite differences scatter, the gradient is right almost everywhere",
        "Use an even number of cells, tricubic interpolation, or smoothing where the loss is to be optimised.", _jump,
    ),
    Rule(
        "D2", "explained", lambda o: o.pattern == "kink",
        "the slope jumps here: left and right derivatives differ",
        "Any value between the two is a subgradient; move off the kink, or smooth it.", _sides,
    ),
    Rule(
        "W2", "fault",
        lambda o: o.shared.is_single and o.double is not None and _relative_gap(o.gradient, o.double) > COARSE,
        "single precision: rounding of the indices, amplified", "Use float64, or a form with the reduced argument.",
        _precisions,
    ),
    Rule(
        "W3", "warning", lambda o: o.pattern == "unresolved" or o.agreement == "inconclusive",
        "finite differences do not settle at any step: they can neither confirm nor refute the gradient",
        "Give a step that suits the parameter: larger against rounding, smaller against curvature.", _error_of_a,
    ),
    Rule(
        "W1", "fault",
        lambda o: o.agreement == "disagrees" and bool(o.shared.graph.noisy_divisions),
        "noise at the poles: a few samples close to a pole spoil the sum",
        "Reduce the argument before the quotient, and use its series near the pole.", _pole,
    ),
    Rule(
        "W4", "fault", lambda o: o.agreement == "disagrees" and o.connected and _first(o, _OUTSIDE) is not None,
        "part of the dependence is missing from the graph: a normalisation or weight that was taken out of it",
        "Keep the normalising number a tensor, or normalise by a constant.", _event(_OUTSIDE),
    ),
    Rule(
        "W6", "fault", lambda o: o.agreement == "disagrees",
        "the gradient is not the derivative of the loss", "Check the derivative rules that are written by hand.",
        lambda o: {**_error_of_a(o), "own rules": ", ".join(o.shared.graph.custom) or "none"},
    ),
    Rule(
        "W5", "warning", lambda o: _other_mode(o) is not None,
        "the reference belongs to another sampling of the pixel's factors",
        "Compare gradients of one and the same mode.",
        lambda o: {"reference": o.shared.reference[o.coordinate.name], "its mode": _other_mode(o)},
    ),
    Rule(
        "S10", "warning", _negligible_update,
        "the gradient is right, but an optimiser loses it: its epsilon is larger",
        "Optimise the logarithm, or rescale the parameter.",
        lambda o: {"gradient times value by loss": (o.gradient or 0) * o.coordinate.value / o.shared.loss},
    ),
    Rule(
        "healthy", "warning", lambda o: o.cancellation is not None and o.cancellation < CANCELS,
        "healthy, but cancelling: the net gradient is a small rest of large contributions",
        "Prefer a loss that depends on position; compare gradients against the sum of contributions.",
        lambda o: {"cancellation": o.cancellation},
    ),
    Rule("healthy", "healthy", lambda o: True, "healthy", "Nothing to do."),
)  # fmt: skip

#: All codes of the table, in its order, each once.
CODES = tuple(dict.fromkeys(rule.code for rule in RULES))
