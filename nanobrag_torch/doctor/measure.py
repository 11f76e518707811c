"""Measurements that the decision table is asked about, each counted against the budget."""

import math
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad

from .budget import BudgetSpent, Meter
from .elements import MOST_CALLS, Search, search
from .finite_difference import ROUNDINGS, agreement, differentiate, glance
from .graph import gradients_of, inspect
from .modules import of_module
from .observation import ROUNDING_OF_A, TOLERANCE, Observation, SharedFacts
from .precision import widened
from .records import ImageSummary
from .subject import Coordinate, DoctorError, ModelFunction, Subject, is_large
from .watch import Event, Replay, Uses, Watch

#: Cost of a measurement, in evaluations of the loss.
GRADIENT, FORWARD_MODE, DIFFERENCES = 3, 2, 6
#: Of more coordinates than this, and no image whose pixels it would weigh, the forward derivative is left out: it is
#: told and never judged, and takes half of the time.
MOST_FORWARD = 50
#: Position at which a parameter that is zero is differentiated again.
NEAR_ZERO = 1e-6
#: Parts of a large change that are tried, on both sides and at an odd part, so that no symmetry hides a response; and
#: for a model of which nothing is known changes by parts of the value itself, which lead to zero, to the other sign and
#: to other orders of magnitude.
FAR = (1.0, -1.0, 0.37, -0.37)
VERY_FAR = (-1.0, 1.0, -2.0, 9.0, -11.0, 99.0, -101.0)
#: Part of a value from which on a step is large enough in any precision.
CLOSEST = 1e-5
#: Part of a tensor's largest contribution by which an element is wrong beyond what tolerance or rounding explain.
OUTRIGHT = 0.1
#: Random draws of a module, such as those of dropout, that are tried before a gradient is said to be missing.
DRAWS = 8
#: Most lines that are suspected of cutting the graph.
MOST_SUSPECTS = 16
#: Part of what the gradient lacks that a culprit must account for, and within which all of them together explain it.
ACCOUNTS, EXPLAINS = 0.01, 0.05

#: Forward-mode functions of torch, with the types that it does not declare.
_make_dual: Callable[[Tensor, Tensor], Tensor] = forward_ad.make_dual
_unpack_dual: Callable[[Tensor], forward_ad.UnpackedDualTensor] = forward_ad.unpack_dual


def expected_cost(subject: Subject, order: int = 1) -> int:
    """Evaluations that an uneventful diagnosis takes; of second order it examines the gradient in the same way."""
    second = 0 if subject.simulation is not None else GRADIENT
    other_mode = GRADIENT if subject.inputs is not None else 0
    each = DIFFERENCES + (FORWARD_MODE if _takes_forward(subject) else 0)
    return other_mode + order * (2 + 2 * GRADIENT + second + len(subject.coordinates) * each)


def _takes_forward(subject: Subject) -> bool:
    """The forward derivative is measured: of an image, or of few coordinates, where there is no hurry."""
    return not subject.quick and (subject.has_image or len(subject.coordinates) <= MOST_FORWARD)


def shared_facts(
    subject: Subject, meter: Meter, reference: dict[str, float], tolerance: float = TOLERANCE
) -> SharedFacts:
    """Facts about the loss that hold for all parameters.

    Raises:
        DoctorError: the loss cannot be examined at all.
        BudgetSpent: the budget does not allow for them.
    """
    meter.count(GRADIENT)
    loss, image, watch, leaves = _watched(subject)
    requires_grad = loss.requires_grad
    with Uses(p for module in watch.lenders for p in module.parameters()) if watch.lenders else nullcontext() as own:
        graph = inspect(loss, leaves)
    reverted = own is not None and own.found
    if graph.error and "second time" not in graph.error:
        raise DoctorError(f"{subject.name}: backward raised: {graph.error} Correct that first; no gradient exists.")
    second = graph.error
    if subject.simulation is None and not second:
        meter.count(GRADIENT)
        second = _second_error(subject, leaves)
    meter.count(2)
    first, again = (float(subject.evaluate(dict(subject.values))[0].detach()) for _ in range(2))
    image = None if image is None else image.detach()
    weights = None if image is None or subject.loss is None else _weights(subject.loss, image)
    facts = SharedFacts(
        subject, first, (first, again), requires_grad, watch, graph,
        reverted=reverted,
        second_error=second,
        image=image,
        weights=weights,
        summary=None if image is None else _summary(image),
        reference=reference,
    )  # fmt: skip
    if facts.dark and subject.simulation is not None:
        facts = replace(facts, revivals=subject.simulation.revivals(meter.count))
    meter.count(GRADIENT)
    precision = subject.dtype if subject.simulation is not None else _coarsest(subject.dtype, watch.precision)
    facts = replace(facts, precision=precision, tolerance=tolerance)
    if facts.is_single:
        wide, double = _in_double(subject)
        facts = replace(facts, wide=wide, single_gradients=graph.gradients, double_gradients=double)
    else:
        single = gradients_by_parameter(subject.cast(torch.float32))
        facts = replace(facts, single_gradients=single, double_gradients=graph.gradients)
    modes = _modes(subject, meter) if reference and subject.simulation is not None else {}
    return replace(facts, modes=modes)


def observe(shared: SharedFacts, coordinate: Coordinate, meter: Meter) -> tuple[Observation, Tensor | None]:
    """Measurements of one coordinate, and the derivative of the image by it (pixels,) where there is one.

    Raises:
        BudgetSpent: the budget does not allow for all of them.
    """
    coordinate = _kept_symmetric(shared, coordinate)
    o = Observation(
        shared, coordinate, _along(shared.graph.gradients, coordinate),
        single=_along(shared.single_gradients, coordinate),
        double=_along(shared.double_gradients, coordinate),
    )  # fmt: skip
    if not shared.repeatable or not math.isfinite(shared.loss):
        return replace(o, agreement="missing" if o.gradient is None else "inconclusive"), None
    subject = shared.examined
    forward, tangent = None, None
    if _takes_forward(subject):
        meter.count(FORWARD_MODE)
        forward, tangent = forward_derivatives(subject, coordinate)
    o = _weighed(replace(o, forward=forward), tangent)
    epsilon, step, noise = _arithmetic(o, subject)
    difference = differentiate(
        _loss_along(subject, coordinate, meter), coordinate.value, step,
        low=coordinate.low,
        high=coordinate.high,
        expected=o.checked,
        magnitude=o.magnitude or 0.0,
        epsilon=epsilon,
        noise=noise,
        # On which side of a kink the value is, its own precision cannot tell from closer by.
        closest=min(ROUNDINGS * torch.finfo(shared.precision).eps, CLOSEST) * abs(coordinate.value),
    )  # fmt: skip
    o = replace(o, difference=difference)
    if subject.has_image and (tangent is None or (o.responds and not o.response)):
        tangent = _image_difference(subject, coordinate, difference.steps[-1], meter)
        o = _weighed(o, tangent)
    o = replace(o, agreement=agreement(o.checked, difference, o.magnitude))
    return _looked_closer(o, subject, tangent, meter), tangent


def _kept_symmetric(shared: SharedFacts, coordinate: Coordinate) -> Coordinate:
    """The coordinate along which a matrix stays symmetric, where the model reads one half of it.

    The gradient by a symmetric matrix is a convention: of an element that is mirrored it is half of the derivative by
    both, which a change of one of them, in the half that is read or the other, does not show.
    """
    return replace(coordinate, direction=_symmetric_part(shared, coordinate, coordinate.direction))


def _symmetric_part(shared: SharedFacts, coordinate: Coordinate, change: Tensor) -> Tensor:
    """The part of a change that keeps a matrix symmetric of which the model reads one half; of others the change."""
    value = shared.subject.values[coordinate.parameter]
    square = value.ndim >= 2 and value.shape[-1] == value.shape[-2]
    if coordinate.parameter not in shared.graph.half_read or not square or not torch.equal(value, value.mT):
        return change
    return (change + change.mT) / 2


def _looked_closer(o: Observation, subject: Subject, tangent: Tensor | None, meter: Meter) -> Observation:
    """Add extra measurements, made only for suspicious parameters.

    Args:
        o: the observation so far.
        subject: the model, in double precision.
        tangent: derivative (pixels,) of the image by the coordinate, None where there is none.
        meter: counts the evaluations.
    """
    coordinate = o.coordinate
    fresh = near_zero = concentration = None
    if (o.silent and o.flat) or (o.hidden and o.agreement in ("zero", "inconclusive")):
        slope, where = _far_slope(subject, coordinate, o.shared, meter)
        o = replace(o, far_slope=slope)
        if o.flat and subject.simulation is None:
            o = replace(o, alive_elsewhere=_alive_elsewhere(subject, coordinate, where, o.shared.loss, meter))
    if o.silent and o.flat and subject.rebuild is not None:
        fresh = _fresh_difference(subject, subject.rebuild, coordinate, meter)
    if o.silent and o.at_zero and o.responds:
        meter.count(GRADIENT)
        near_zero = _gradient_at(subject, coordinate, NEAR_ZERO)
    if o.agreement == "disagrees" and tangent is not None and o.difference is not None and o.shared.weights is not None:
        measured = _image_difference(subject, coordinate, o.difference.steps[-1], meter)
        if measured is not None:
            concentration = _concentration((measured - tangent) * o.shared.weights.reshape(-1))
    if o.agreement == "disagrees" or (o.gradient is None and o.responds):
        o = _accused(o, subject, meter)
    o = replace(o, fresh=fresh, near_zero=near_zero, concentration=concentration)
    return replace(o, search=_searched(o, subject, meter))


def _arithmetic(o: Observation, subject: Subject) -> tuple[float, float, float]:
    """Rounding unit of the loss, first step of finite differences, and uncertainty of the loss besides rounding."""
    shared, coordinate, checked = o.shared, o.coordinate, o.checked or 0.0
    epsilon = torch.finfo(subject.dtype if subject.dtype is torch.float64 else shared.precision).eps
    # A step must stand clear of rounding in whatever precision the model is bound to; what is added to a tensor is
    # rounded.
    step = coordinate.step if epsilon < 1e-12 else max(coordinate.step, epsilon ** (1 / 3) * coordinate.far)
    rounded = 0.0 if epsilon < 1e-12 or not math.isfinite(checked) else epsilon * abs(checked)
    return epsilon, step, shared.noise + rounded


def _searched(o: Observation, subject: Subject, meter: Meter) -> Search | None:
    """Search for wrong elements, where the direction shows that there are some, or NaN keeps it from showing."""
    gradient = (o.shared.double_gradients if o.in_double else o.shared.graph.gradients).get(o.coordinate.parameter)
    if gradient is None or not is_large(gradient) or o.difference is None:
        return None
    wrong = o.agreement == "disagrees" and o.difference.pattern in ("smooth", "kink")
    if not wrong and o.agreement != "not finite":
        return None
    epsilon, step, noise = _arithmetic(o, subject)
    finite = torch.isfinite(gradient)
    gradient = torch.where(finite, gradient, 0.0)
    direction = torch.where(finite, o.coordinate.direction.to(gradient), 0.0).reshape(-1)
    contributions = _symmetric_part(o.shared, o.coordinate, gradient).reshape(-1) * direction
    meter.count()
    centre = float(subject.evaluate(dict(subject.values))[0].detach())
    calls = 0

    def along(low: int, high: int) -> Callable[[float], float]:
        block = torch.zeros_like(direction)
        block[low:high] = direction[low:high]
        change = _symmetric_part(o.shared, o.coordinate, block.reshape(gradient.shape))
        loss = _loss_along(subject, replace(o.coordinate, direction=change), meter)

        def function(position: float) -> float:
            nonlocal calls
            if position == o.coordinate.value:
                return centre
            if calls >= MOST_CALLS:
                raise BudgetSpent
            calls += 1
            return loss(position)

        return function

    def measure(low: int, high: int, sought: float) -> tuple[float, float]:
        return glance(along(low, high), o.coordinate.value, step, sought=sought, epsilon=epsilon, noise=noise)

    gap = o.checked - o.difference.derivative if wrong and o.checked is not None else None
    found = search(contributions, measure, gap, o.difference.error, o.shared.tolerance)
    worst = found.worst
    if worst is not None and abs(found.wrong[worst]) > OUTRIGHT * float(contributions.abs().max()):
        expected = float(contributions[worst])
        try:
            alone = differentiate(
                along(worst, worst + 1), o.coordinate.value, step, expected=expected, epsilon=epsilon, noise=noise
            )
            found.outright = agreement(expected, alone) == "disagrees"
        except BudgetSpent:
            pass
    found.calls = calls
    return found


def _accused(o: Observation, subject: Subject, meter: Meter) -> Observation:
    """Add the event that carries what the gradient lacks, and whether all such events together explain it.

    The loss is evaluated beside the point with what left the graph held as it is at the point: what then is missing
    from the finite difference flowed through there.
    """
    parameter = o.coordinate.parameter
    assert o.difference is not None
    whole = o.difference.quotients[-1]
    target = (o.double if o.shared.is_single and o.double is not None else o.gradient) or 0.0
    lacks = abs(whole - target)
    kept: dict[Event, list[Any]] = {}
    if not _suspects(o.shared.watch, parameter) or not math.isfinite(lacks):
        return o
    keeping = _replayed(subject, subject.values, kept, None, meter)
    if keeping is None:
        return o
    # In double precision a dependence may be lost elsewhere: where a conversion was, there is none.
    suspects = _suspects(keeping[1], parameter)
    lines = list(dict.fromkeys(e.line for e in sorted(suspects, key=lambda e: e.internal)))[:MOST_SUSPECTS]

    def without(some: list[str]) -> float:
        found = _difference_without(subject, o, frozenset(e for e in suspects if e.line in some), kept, meter)
        return whole if found is None else found

    effects = {line: abs(whole - without([line])) for line in lines}
    carriers = [line for line in lines if effects[line] > ACCOUNTS * lacks]
    if not carriers:
        return o
    rest = abs(without(lines) - target)
    worst = max(carriers, key=lambda line: effects[line])
    culprit = next(e for e in suspects if e.line == worst)
    carried = effects[worst] / lacks if rest < lacks else 0.0
    return replace(o, culprit=culprit, explained=rest <= EXPLAINS * lacks, carried=carried)


def _suspects(watch: Watch, parameter: str) -> tuple[Event, ...]:
    """Events at which a dependence on the parameter was lost for good; where there are none, all that lost it."""
    return watch.detached_at(parameter) or tuple(event for event in watch.lost_at if parameter in event.leaves)


def _difference_without(
    subject: Subject, o: Observation, events: frozenset[Event], kept: dict[Event, list[Any]], meter: Meter
) -> float | None:
    """Central difference of the loss in which nothing flows through what leaves the graph at these events."""
    c = o.coordinate
    assert o.difference is not None
    step = o.difference.steps[-1]
    high, low = min(c.value + step, c.high), max(c.value - step, c.low)
    above, below = (_replayed(subject, subject.at(c, x), kept, events, meter) for x in (high, low))
    return None if above is None or below is None else (above[0] - below[0]) / (high - low)


def _replayed(
    subject: Subject,
    values: dict[str, Tensor],
    kept: dict[Event, list[Any]],
    events: frozenset[Event] | None,
    meter: Meter,
) -> tuple[float, Replay] | None:
    """Loss under a replay of these events, and the replay; None where it raises."""
    meter.count()
    leaves = replace(subject, values=values).leaves()
    replay = Replay(leaves, kept, events)
    try:
        with torch.enable_grad(), replay:
            loss, _ = subject.evaluate(leaves)
    except DoctorError:
        return None
    return float(loss.detach()), replay


def _concentration(gap: Tensor) -> float:
    """Part of the sum of |gap| (pixels,) that the worst hundredth of the pixels holds."""
    gap = gap.abs()
    worst = gap.topk(max(1, gap.numel() // 100)).values.sum()
    return float(worst / gap.sum()) if bool(gap.sum() > 0) else 0.0


def _watched(subject: Subject) -> tuple[Tensor, Tensor | None, Watch, dict[str, Tensor]]:
    leaves = subject.leaves()
    watch = Watch(leaves)
    try:
        # Anomaly mode remembers the line of every operation, for the nodes of the backward graph.
        with torch.autograd.set_detect_anomaly(True, check_nan=False), torch.enable_grad(), watch:
            loss, image = subject.evaluate(leaves)
    except DoctorError:
        # Some transforms do not bear being watched; what the function raises by itself is its own error.
        leaves = subject.leaves()
        watch = Watch(leaves)
        with torch.enable_grad():
            loss, image = subject.evaluate(leaves)
    return loss, image, watch, leaves


def _second_error(subject: Subject, leaves: dict[str, Tensor]) -> str:
    """Message of a second backward pass about a graph that an earlier evaluation left behind, empty for nothing."""
    try:
        with torch.enable_grad():
            loss, _ = subject.evaluate(leaves)
            if loss.requires_grad:
                gradients_of(loss, leaves)
    except RuntimeError as error:
        message = str(error).splitlines()[0]
        return message if "second time" in message else ""
    return ""


def gradients_by_parameter(subject: Subject) -> dict[str, Tensor | None]:
    """Gradients by parameter, None where the graph does not reach it; empty where the evaluation raises."""
    leaves = subject.leaves()
    try:
        with torch.enable_grad():
            loss, _ = subject.evaluate(leaves)
            if not loss.requires_grad:
                return dict.fromkeys(leaves)
            return gradients_of(loss, leaves)
    except (DoctorError, RuntimeError):
        return {}


def _coarsest(*dtypes: torch.dtype) -> torch.dtype:
    return max(dtypes, key=lambda dtype: torch.finfo(dtype).eps)


def _in_double(subject: Subject) -> tuple[Subject | None, dict[str, Tensor | None]]:
    """The subject in double precision and its gradients; None and none where it cannot be computed so."""
    wide = subject.cast(torch.float64)
    if subject.simulation is None:
        loss = None if subject.loss is None else widened(subject.loss)
        wide = replace(wide, function=widened(subject.function), loss=loss)
    gradients = gradients_by_parameter(wide)
    try:
        complete = bool(gradients) and wide.evaluate(dict(wide.values))[0].dtype is torch.float64
    except DoctorError:
        complete = False
    return (wide, gradients) if complete else (None, {})


def _along(gradients: dict[str, Tensor | None], coordinate: Coordinate) -> float | None:
    """Component of a gradient along a coordinate."""
    gradient = gradients.get(coordinate.parameter)
    if gradient is None:
        return None
    if gradient.numel() == 1:
        return float(gradient)
    direction = coordinate.direction.to(gradient)
    # What is NaN beside the direction does not count: zero times NaN would.
    along = direction != 0
    return float((gradient[along] * direction[along]).sum())


def _summary(image: Tensor) -> ImageSummary:
    return ImageSummary(
        pixels=image.numel(),
        lit=int((image != 0).sum()),
        total=float(image.sum()),
        largest=float(image.max()),
        finite=bool(torch.isfinite(image).all()),
    )


def _weights(loss: Callable[[Tensor], Tensor], image: Tensor) -> Tensor | None:
    """Derivative of the loss by the image, in its shape; None where backward raises."""
    pixels = image.clone().requires_grad_()
    try:
        with torch.enable_grad():
            value = loss(pixels)
            if not value.requires_grad:
                return torch.zeros_like(pixels)
            (weights,) = torch.autograd.grad(value, pixels, allow_unused=True)
    except RuntimeError:
        return None
    return torch.zeros_like(pixels) if weights is None else weights


def forward_derivatives(subject: Subject, coordinate: Coordinate) -> tuple[float | None, Tensor | None]:
    """Forward-mode derivatives of loss and image (pixels,); None where an operation has no rule for them."""
    try:
        with forward_ad.dual_level():
            values = dict(subject.values)
            base = values[coordinate.parameter]
            values[coordinate.parameter] = _make_dual(base, coordinate.direction.to(base).reshape(base.shape))
            loss, image = subject.evaluate(values)
            slope = _unpack_dual(loss).tangent
            tangent = None
            if image is not None:
                moved = _unpack_dual(image).tangent
                tangent = torch.zeros_like(image).detach() if moved is None else moved.detach().clone()
                tangent = tangent.reshape(-1)
            return (0.0 if slope is None else float(slope)), tangent
    except (DoctorError, RuntimeError, NotImplementedError):
        return None, None


def _weighed(o: Observation, tangent: Tensor | None) -> Observation:
    """Add the sums over pixels of ``tangent`` (pixels,), alone and weighted by the loss, where there is one."""
    if tangent is None or o.shared.weights is None:
        return o
    weights = o.shared.weights.reshape(-1).to(tangent)
    return replace(
        o,
        response=float(tangent.abs().sum()),
        magnitude=float((weights * tangent).abs().sum()),
        peak_weight=float(weights.abs().max()),
    )


def _loss_along(subject: Subject, coordinate: Coordinate, meter: Meter) -> Callable[[float], float]:
    """Loss as a function of the position of one coordinate, NaN where it raises; each call is counted."""

    def function(position: float) -> float:
        meter.count()
        try:
            return float(subject.evaluate(subject.at(coordinate, position))[0].detach())
        except DoctorError:
            return math.nan

    return function


def _image_difference(subject: Subject, coordinate: Coordinate, step: float, meter: Meter) -> Tensor | None:
    """Measure the derivative (pixels,) of the image by a difference, one-sided at a bound.

    Args:
        subject: the model.
        coordinate: the number to differentiate by.
        step: step to each side, in the coordinate's unit.
        meter: counts two evaluations.

    Returns:
        None where the model raises or has no image.
    """
    high = min(coordinate.value + step, coordinate.high)
    low = max(coordinate.value - step, coordinate.low)
    meter.count(2)
    try:
        above, below = (subject.evaluate(subject.at(coordinate, x))[1] for x in (high, low))
    except DoctorError:
        return None
    if above is None or below is None:
        return None
    return ((above - below) / (high - low)).detach().reshape(-1)


def _far_slope(
    subject: Subject, coordinate: Coordinate, shared: SharedFacts, meter: Meter
) -> tuple[float | None, float]:
    """Try large changes of a coordinate until one changes the image, or the loss where there is no image.

    Args:
        subject: the model.
        coordinate: the number to change.
        shared: image and loss at the point of evaluation.
        meter: counts the evaluations.

    Returns:
        Change of the loss, or of the image's sum of absolute changes, by that of the coordinate: 0 where no change had
        an effect; None where none could be evaluated. And the position that was tried last.
    """
    result: float | None = None
    position = coordinate.value
    shifts = [part * coordinate.far for part in FAR]
    if subject.simulation is None:
        shifts += [part * (abs(coordinate.value) or 1.0) for part in VERY_FAR]
        meter.count()
        base, base_image = subject.evaluate(dict(subject.values))
    else:
        base, base_image = torch.tensor(shared.loss), shared.image
    for shift in shifts:
        position = coordinate.value + shift
        if not coordinate.low <= position <= coordinate.high:
            continue
        meter.count()
        try:
            loss, image = subject.evaluate(subject.at(coordinate, position))
        except DoctorError:
            continue
        change = abs(float(loss.detach()) - float(base.detach()))
        if image is not None and base_image is not None:
            change = float((image.detach().to(base_image) - base_image.detach()).abs().sum())
        # Beside a large shift the rest of the model loses its last digits.
        lost = max(1.0, abs(shift) / coordinate.far)
        rounding = shared.noise + lost * 16 * torch.finfo(loss.dtype).eps * abs(float(base.detach()))
        result = (change if change > rounding or math.isnan(change) else 0.0) / abs(shift)
        if result:
            break
    return result, position


def _alive_elsewhere(subject: Subject, coordinate: Coordinate, position: float, loss: float, meter: Meter) -> bool:
    """The parameter has a gradient where it, or each of the others, is changed much, or in another draw of a module:
    here something keeps it from acting.

    Args:
        subject: the model.
        coordinate: the number to differentiate by.
        position: where the coordinate is known to act.
        loss: loss at the point of evaluation.
        meter: counts the evaluations.
    """
    places = [subject.at(coordinate, position)]
    if len(subject.values) > 1:
        places += [
            {
                name: v if name == coordinate.parameter else v + part * torch.where(v == 0, 1.0, v.abs())
                for name, v in subject.values.items()
            }
            for part in VERY_FAR
        ]
    elsewhere = [replace(subject, values=values) for values in places]
    if subject.inputs is not None:
        draws = (of_module(subject.examined, subject.inputs, seed=seed) for seed in range(1, DRAWS))
        elsewhere += [replace(subject, function=function) for function in draws]
    for place in elsewhere:
        meter.count(GRADIENT)
        gradient = _along(gradients_by_parameter(place), coordinate) or 0.0
        if abs(gradient) * coordinate.far > ROUNDING_OF_A * abs(loss):
            return True
    return False


def _fresh_difference(
    subject: Subject, rebuild: Callable[[], ModelFunction], coordinate: Coordinate, meter: Meter
) -> float:
    """Measure the central difference of the loss over one step, each value on rebuilt objects.

    Args:
        subject: the model.
        rebuild: makes its function anew.
        coordinate: the number to differentiate by.
        meter: counts two evaluations.
    """
    values = []
    for position in (coordinate.value + coordinate.step, coordinate.value - coordinate.step):
        meter.count()
        fresh = replace(subject, function=rebuild())
        values.append(float(fresh.evaluate(fresh.at(coordinate, position))[0].detach()))
    return (values[0] - values[1]) / (2 * coordinate.step)


def _gradient_at(subject: Subject, coordinate: Coordinate, position: float) -> float | None:
    """Gradient along a coordinate that is moved to ``position``."""
    moved = replace(subject, values=subject.at(coordinate, position))
    return _along(gradients_by_parameter(moved), coordinate)


def _modes(subject: Subject, meter: Meter) -> dict[str, dict[str, float]]:
    """Gradients of a simulated subject in every mode of its physics, by mode and name."""
    assert subject.simulation is not None
    found: dict[str, dict[str, float]] = {}
    for name, image in subject.simulation.modes().items():
        meter.count(GRADIENT)
        gradients = gradients_by_parameter(replace(subject, function=image))
        found[name] = {key: float(value) for key, value in gradients.items() if value is not None}
    return found
