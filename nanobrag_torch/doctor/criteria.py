"""Criteria of the decision table: one question about an observation a function.

A criterion is written for a row that stands at its place: rows above it have already been refused.
"""

from collections.abc import Callable

import torch

from .observation import CLAMPS, ROUNDING_OF_A, Observation
from .watch import Event

Criterion = Callable[[Observation], bool]

#: Below this part of its contributions a gradient is a small rest of a large cancellation.
CANCELS = 1e-3
#: Single and double precision differ by more than this part of the gradient.
COARSE = 1e-3
#: An optimiser of the Adam family divides by |gradient| + 1e-8: a gradient this small moves nothing.
LOST_IN_EPSILON = 1e-12
#: Of its largest possible value, the overlap of loss and response below which they do not meet.
OVERLAP = 1e-12
#: Part of the contributions below which a gap is more likely an approximation's than a mistake's.
SLIGHT = 5e-3
#: The same where it is known to have left the graph.
LITTLE = 2e-2
#: Part of what a gradient lacks that one event accounts for where it has a hand in it.
CARRIES = 0.25
#: Roundings that a sum of many terms is allowed, in units of the last place.
ROUNDINGS = 32

#: A method of torch that switches gradients off by itself, within the model.
SAMPLE = "sample"
#: The user's code switches gradients off.
NO_GRAD: Callable[[Event], bool] = lambda event: event.without_grad and event.operation != SAMPLE  # noqa: E731
ANY: Callable[[Event], bool] = lambda event: True  # noqa: E731
OUTSIDE: Callable[[Event], bool] = lambda event: not event.internal  # noqa: E731

ROOTS = ("Sqrt", "LinalgVectorNorm", "Norm", "Pow", "Rsqrt", "Hypot", "Abs", "Acosh")
ANGLES = ("Atan2", "Acos", "Asin", "Angle")
LOGARITHMS = ("Log", "Log2", "Log10", "Log1P", "Xlogy")
SELECTIONS = ("Mul", "Where", "MaskedFill", "Index", "MaskedSelect")


def first_conversion(o: Observation, test: Callable[[Event], bool]) -> Event | None:
    """The first event that passes the test, those outside this package first."""
    found = sorted((event for event in o.detached_at if test(event)), key=lambda event: event.internal)
    return found[0] if found else None


def gradient_is_not_finite(o: Observation) -> bool:
    """Autograd gave a gradient that is NaN or infinite, though the loss is finite."""
    return not value_is_not_finite(o) and gradient_was_not_finite(o)


def gradient_was_not_finite(o: Observation) -> bool:
    """Autograd gave a gradient that is NaN or infinite."""
    return o.gradient is not None and (o.gradient != o.gradient or abs(o.gradient) == float("inf"))


def value_nonfinite_at(*operations: str) -> Criterion:
    """A value is not finite, and one of these operations ("sqrt", "exp") was the first to make it so."""

    def holds(o: Observation) -> bool:
        event = o.shared.watch.nonfinite_at
        return event is not None and value_is_not_finite(o) and event.operation in operations

    return holds


def value_is_not_finite(o: Observation) -> bool:
    """The loss is NaN or infinite."""
    return o.shared.loss != o.shared.loss or abs(o.shared.loss) == float("inf")


def gradient_nonfinite_at(*operations: str) -> Criterion:
    """The gradient is not finite, and the first node to make it so derives one of these operations ("Sqrt", "Exp")."""

    def holds(o: Observation) -> bool:
        node = o.shared.graph.nonfinite_at
        return gradient_is_not_finite(o) and node is not None and not node.operations.isdisjoint(operations)

    return holds


def either(*criteria: Criterion) -> Criterion:
    """A criterion that holds where one of these does."""
    return lambda o: any(criterion(o) for criterion in criteria)


def image_is_finite(o: Observation) -> bool:
    """The model has an image, and all of it is finite."""
    return o.shared.summary is not None and o.shared.summary.finite


def loss_is_not_finite(o: Observation) -> bool:
    """The image is finite, but the loss, or its derivative by the image, is not."""
    weights = o.shared.weights
    bad = weights is not None and not bool(weights.isfinite().all())
    value = value_is_not_finite(o)
    return image_is_finite(o) and (bad or value) and (value or gradient_was_not_finite(o))


def not_selected(o: Observation) -> bool:
    """The gradient ceases to be finite where nothing was selected: zero times infinity below a selection."""
    return gradient_is_not_finite(o) and o.shared.graph.below_where and o.shared.graph.from_zero


def input_is_not_finite(o: Observation) -> bool:
    """The loss is not finite, and no operation made it so: something that went in already was not."""
    watch = o.shared.watch
    return value_is_not_finite(o) and watch.nonfinite_at is None and watch.nonfinite_input is not None


def nonfinite_on_zeros(o: Observation) -> bool:
    """The first operation whose value is not finite was applied to exact zeros."""
    return o.shared.watch.nonfinite_at is not None and o.shared.watch.nonfinite_at.zeros > 0


def unweighted(o: Observation) -> bool:
    """Pixels respond, and none of those that do counts in the loss."""
    return bool(o.response) and o.magnitude == 0


def is_clamped(o: Observation) -> bool:
    """The backward signal on its way to the parameter became zero in a clamp."""
    return o.zeroed_by(CLAMPS) is not None


def pixels_are_clipped(o: Observation) -> bool:
    """Pixels were clamped, rather than one number: a hinge is a clamp of the loss."""
    return any(node.operation in CLAMPS and node.elements > 1 for node in o.zeroed_at)


def loss_is_flat(o: Observation) -> bool:
    """The loss has no slope by any pixel, and no weights that are zero are to blame."""
    weights = o.shared.weights
    return weights is not None and not bool((weights != 0).any()) and not weighted_by_zero(o)


def weighted_by_zero(o: Observation) -> bool:
    """The loss multiplies the image by zeros, or leaves pixels out, rather than being flat itself."""
    return any(node.operation in SELECTIONS for node in o.zeroed_at)


def is_frozen(o: Observation) -> bool:
    """A parameter of a module was handed over that does not ask for a gradient."""
    given = o.shared.subject.given.get(o.coordinate.parameter)
    return isinstance(given, torch.nn.Parameter) and not given.requires_grad


def left_at_the_input(o: Observation) -> bool:
    """The part that the gradient lacks left the graph where the parameter itself was taken, in the user's own code."""
    return o.culprit is not None and o.culprit.direct and not o.culprit.function and o.culprit.operation != SAMPLE


def is_lent(o: Observation) -> bool:
    """The missing part went through a Function whose module had the parameter for the forward pass alone."""
    lent = o.culprit is not None and o.coordinate.parameter in o.culprit.lent
    return o.agreement == "disagrees" and o.explained and o.shared.reverted and lent


def is_a_subgradient(o: Observation) -> bool:
    """At a kink the gradient is one of the two slopes, or lies between them."""
    if o.pattern != "kink" or o.gradient is None or o.difference is None:
        return False
    checked = o.double if o.shared.is_single and o.double is not None else o.gradient
    low, high = sorted((o.difference.left, o.difference.right))
    slack = 3 * o.difference.error + 1e-6 * (high - low)
    return low - slack <= checked <= high + slack


def stationary(o: Observation) -> bool:
    """Gradient and finite difference vanish to rounding although the loss depends on the parameter."""
    if o.gradient is None or o.difference is None:
        return False
    scale = ROUNDING_OF_A * (o.magnitude or 0.0)
    still = abs(o.difference.derivative) <= max(3 * o.difference.error, scale)
    if o.magnitude:
        return still and abs(o.gradient) <= max(scale, 3 * o.difference.error) and (o.cancellation or 0) < 1e-6
    # Without pixels to compare with, the curvature, or a large change, says how large a slope would have been.
    slope = 1e-6 * max(abs(o.difference.curvature) * o.coordinate.far, o.far_slope or 0.0)
    return still and max(abs(o.gradient), o.difference.error) <= slope


def misses_the_target(o: Observation) -> bool:
    """Pixels that the loss looks for and pixels that respond hardly overlap."""
    if not o.response or not o.peak_weight or o.magnitude is None:
        return False
    return 0 < o.magnitude <= OVERLAP * o.peak_weight * o.response


def depends_on_a_foreign_leaf(o: Observation) -> bool:
    """The graph leads to a foreign leaf of the same shape and value as the parameter."""
    value = o.shared.subject.values[o.coordinate.parameter]
    leaves = (leaf.detach() for leaf in o.shared.graph.foreign_leaves if leaf.shape == value.shape)
    return any(bool((leaf.to(value) == value).all()) for leaf in leaves)


def precision_is_too_coarse(o: Observation) -> bool:
    """The gradient and that in double precision differ by more than a few roundings of sums explain.

    The norm of the whole parameter's gradient is the measure: an element that cancels is no loss of precision.
    """
    gradient = o.shared.double_gradients.get(o.coordinate.parameter)
    if not o.shared.is_single or o.double is None or o.gradient is None or gradient is None:
        return False
    gap, rounding = abs(o.gradient - o.double), ROUNDINGS * torch.finfo(o.shared.precision).eps
    size = max(abs(o.gradient), abs(o.double), float(gradient.norm() * o.coordinate.direction.abs().max()))
    # At a jump both precisions may be right, each on its own side of it.
    height = abs(o.difference.jump.height) if o.difference is not None and o.difference.jump is not None else 0.0
    matters = max(rounding * abs(o.shared.loss), COARSE * height)
    return gap > max(COARSE, rounding) * size and o.effect(gap) > matters


def nothing_passes_a_mask(o: Observation) -> bool:
    """The image is dark, and a comparison on the way to it holds for no element."""
    return o.shared.dark and o.silent and not o.responds and bool(o.shared.watch.emptied_at)


def tail_vanished(o: Observation) -> bool:
    """The image is dark, because an exponential is too small for a number."""
    return o.shared.dark and o.silent and o.zeroed_by(frozenset({"Exp", "Exp2", "Sigmoid", "Erfc"})) is not None


def is_slightly_rounded(o: Observation) -> bool:
    """The gradients in both precisions differ by less than a slip in a formula makes them differ."""
    return relative_gap(o.gradient, o.double) <= SLIGHT


def underflows(o: Observation) -> bool:
    """There is a gradient that matters in double precision, and none at all in single."""
    gone = (o.gradient is None or o.gradient == 0) and o.pattern not in ("jumps", "stairs")
    return o.shared.is_single and gone and bool(o.double) and o.effect(o.double or 0) > 1e-9 * abs(o.shared.loss)


def has_wrong_elements(o: Observation) -> bool:
    """Single elements of the gradient are wrong outright, however little that is of the whole."""
    return o.search is not None and o.search.outright


def within_tolerance(o: Observation) -> bool:
    """Gradient and finite difference differ by no more than a solver's own tolerance."""
    return not has_wrong_elements(o) and _differ_by_at_most(o, o.shared.tolerance)


def lacks_little(o: Observation) -> bool:
    """The part that left the graph is a small one of the contributions, as that of the choice of a solver's steps.

    Such choices hang together: one that is held alone accounts for a part of what is missing, and all of them for more.
    """
    return (o.explained or o.carried >= CARRIES) and not has_wrong_elements(o) and _differ_by_at_most(o, LITTLE)


def is_slight(o: Observation) -> bool:
    """Gradient and finite difference differ by less than a slip in a formula makes them differ."""
    return not has_wrong_elements(o) and _differ_by_at_most(o, SLIGHT)


def is_drawn_implicitly(o: Observation) -> bool:
    """The parameter is one of a random draw whose derivative is right on average over draws alone."""
    return o.agreement == "disagrees" and o.coordinate.parameter in o.shared.graph.implicit


def _differ_by_at_most(o: Observation, part: float) -> bool:
    if o.gradient is None or o.difference is None:
        return False
    checked = o.double if o.shared.is_single and o.double is not None else o.gradient
    total = max(abs(checked), abs(o.difference.derivative), o.magnitude or 0.0)
    return abs(checked - o.difference.derivative) <= part * total


def relative_gap(one: float | None, other: float | None) -> float:
    """Difference of two numbers as a part of the larger; 0 where one is missing."""
    if one is None or other is None:
        return 0.0
    return abs(one - other) / max(abs(one), abs(other), 1e-300)


def update_is_negligible(o: Observation) -> bool:
    """The gradient drowns in the epsilon of an optimiser, although the loss responds to a relative change."""
    if o.gradient is None or o.gradient == 0 or abs(o.shared.loss) < LOST_IN_EPSILON:
        return False
    return abs(o.gradient) < LOST_IN_EPSILON and abs(o.gradient * o.coordinate.value / o.shared.loss) > 1e-6


def other_mode(o: Observation) -> str | None:
    """The sampling mode whose gradient is the reference that was given, where this one's is not."""
    given = o.shared.reference.get(o.coordinate.name)
    if given is None or o.gradient is None or relative_gap(given, o.gradient) < 1e-7:
        return None
    modes = o.shared.modes
    return next((mode for mode in modes if relative_gap(given, modes[mode].get(o.coordinate.name)) < 1e-7), None)


def revived(code: str) -> Criterion:
    """The image is dark, and lifting a factor of that code lights it up."""
    return lambda o: o.shared.dark and any(revival.code == code for revival in o.shared.revivals)
