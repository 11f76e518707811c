"""What the rows of the decision table ask of an observation: one question a function."""

from collections.abc import Callable

from nanobrag_torch.doctor.observation import CLAMPS, ROUNDING_OF_A, Observation
from nanobrag_torch.doctor.watch import Event

Test = Callable[[Observation], bool]

#: Below this part of its contributions a gradient is a small rest of a large cancellation.
CANCELS = 1e-3
#: Single and double precision differ by more than this part of the gradient.
COARSE = 1e-3
#: An optimiser of the Adam family divides by |gradient| + 1e-8: a gradient this small moves nothing.
LOST_IN_EPSILON = 1e-12
#: Of its largest possible value, the overlap of loss and response below which they do not meet.
OVERLAP = 1e-12

NO_GRAD: Callable[[Event], bool] = lambda event: event.without_grad  # noqa: E731
DIRECT: Callable[[Event], bool] = lambda event: event.direct  # noqa: E731
ANY: Callable[[Event], bool] = lambda event: True  # noqa: E731
OUTSIDE: Callable[[Event], bool] = lambda event: not event.internal  # noqa: E731

ROOTS = ("Sqrt", "LinalgVectorNorm", "Norm", "Pow", "Rsqrt")


def first_conversion(o: Observation, test: Callable[[Event], bool]) -> Event | None:
    """The first event that passes the test, those outside this package first."""
    found = sorted((event for event in o.severed if test(event)), key=lambda event: event.internal)
    return found[0] if found else None


def gradient_is_not_finite(o: Observation) -> bool:
    """NaN or infinite."""
    return o.gradient is not None and (o.gradient != o.gradient or abs(o.gradient) == float("inf"))


def value_breaks_at(*operations: str) -> Test:
    """A value is not finite, first made so by one of these operations."""

    def holds(o: Observation) -> bool:
        event = o.shared.watch.broken
        return event is not None and value_breaks(o) and event.operation in operations

    return holds


def value_breaks(o: Observation) -> bool:
    """The loss is NaN or infinite."""
    return o.shared.loss != o.shared.loss or abs(o.shared.loss) == float("inf")


def gradient_breaks_at(*operations: str) -> Test:
    """Values are finite, the gradient is not, and it ceased to be so at one of these operations."""

    def holds(o: Observation) -> bool:
        place = o.shared.graph.breaks
        return gradient_is_not_finite(o) and place is not None and place.operation in operations

    return holds


def either(*tests: Test) -> Test:
    """One of the tests holds."""
    return lambda o: any(test(o) for test in tests)


def image_is_finite(o: Observation) -> bool:
    """There is an image, and all of it is finite."""
    return o.shared.statistics is not None and o.shared.statistics.finite


def loss_breaks(o: Observation) -> bool:
    """The image is finite, but the loss, or its derivative by the image, is not."""
    weights = o.shared.weights
    bad = weights is not None and not bool(weights.isfinite().all())
    return image_is_finite(o) and (bad or value_breaks(o)) and (gradient_is_not_finite(o) or value_breaks(o))


def input_is_not_finite(o: Observation) -> bool:
    """The loss is not finite, and no operation made it so: something that went in already was not."""
    watch = o.shared.watch
    return value_breaks(o) and watch.broken is None and watch.tainted is not None


def breaks_on_zeros(o: Observation) -> bool:
    """The operation that broke the value was applied to exact zeros."""
    return o.shared.watch.broken is not None and o.shared.watch.broken.zeros > 0


def unweighted(o: Observation) -> bool:
    """Pixels respond, and none of those that do counts in the loss."""
    return bool(o.response) and o.magnitude == 0


def is_clamped(o: Observation) -> bool:
    """The signal on its way to the parameter ends in a clamp."""
    return o.ends_at(CLAMPS) is not None


def pixels_are_clipped(o: Observation) -> bool:
    """Whether pixels were clamped, rather than one number: a hinge is a clamp of the loss."""
    return any(place.operation in CLAMPS and place.elements > 1 for place in o.ends)


def loss_is_flat(o: Observation) -> bool:
    """The loss has no slope by any pixel, and no weights that are zero are to blame."""
    weights = o.shared.weights
    return weights is not None and not bool((weights != 0).any()) and not weighted_by_zero(o)


def weighted_by_zero(o: Observation) -> bool:
    """Whether the loss multiplies the image by zeros, or leaves pixels out, rather than being flat itself."""
    return any(place.operation in ("Mul", "Where", "MaskedFill", "Index", "MaskedSelect") for place in o.ends)


def stationary(o: Observation) -> bool:
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


def misses_the_target(o: Observation) -> bool:
    """What the loss looks for and what responds hardly overlap."""
    if not o.response or not o.peak_weight or o.magnitude is None:
        return False
    return 0 < o.magnitude <= OVERLAP * o.peak_weight * o.response


def depends_on_a_stranger(o: Observation) -> bool:
    """Whether the graph ends in another leaf that looks like the parameter."""
    value = o.shared.subject.values[o.coordinate.parameter]
    return any(s.shape == value.shape and bool((s.detach().to(value) == value).all()) for s in o.shared.graph.strangers)


def relative_gap(one: float | None, other: float | None) -> float:
    """The difference of two numbers, as a part of the larger; 0 where one is not there."""
    if one is None or other is None:
        return 0.0
    return abs(one - other) / max(abs(one), abs(other), 1e-300)


def update_is_negligible(o: Observation) -> bool:
    """The gradient drowns in the epsilon of an optimiser, although the loss responds to a relative change."""
    if o.gradient is None or o.gradient == 0 or o.shared.loss == 0:
        return False
    return abs(o.gradient) < LOST_IN_EPSILON and abs(o.gradient * o.coordinate.value / o.shared.loss) > 1e-6


def other_mode(o: Observation) -> str | None:
    """The sampling mode whose gradient is the reference that was given, where this one's is not."""
    given = o.shared.reference.get(o.coordinate.name)
    if given is None or o.gradient is None or relative_gap(given, o.gradient) < 1e-7:
        return None
    modes = o.shared.modes
    return next((mode for mode in modes if relative_gap(given, modes[mode].get(o.coordinate.name)) < 1e-7), None)


def revived(code: str) -> Test:
    """The image is dark, and lifting a factor of that code lights it up."""
    return lambda o: o.shared.dark and any(revival.code == code for revival in o.shared.revivals)
