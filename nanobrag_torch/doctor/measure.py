"""Measurements that the decision table is asked about, each counted against the budget."""

import math
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor
from torch.autograd import forward_ad

from nanobrag_torch.compat import PRESETS
from nanobrag_torch.doctor.budget import Meter
from nanobrag_torch.doctor.dark_image import revivals
from nanobrag_torch.doctor.finite_difference import agreement, differentiate
from nanobrag_torch.doctor.graph import inspect
from nanobrag_torch.doctor.observation import Observation, SharedFacts
from nanobrag_torch.doctor.records import ImageSummary
from nanobrag_torch.doctor.subject import Coordinate, DoctorError, ModelFunction, Subject, subject_of
from nanobrag_torch.doctor.watch import Watch
from nanobrag_torch.scenario import Scenario

#: Cost of a measurement, in evaluations of the loss.
GRADIENT, FORWARD_MODE, DIFFERENCES = 3, 2, 6
#: Position at which a parameter that is zero is differentiated again.
NEAR_ZERO = 1e-6
#: Parts of a large change that are tried, on both sides and at an odd part, so that no symmetry hides a response.
FAR = (1.0, -1.0, 0.37, -0.37)

#: Forward-mode functions of torch, with the types that it does not declare.
_make_dual: Callable[[Tensor, Tensor], Tensor] = forward_ad.make_dual
_unpack_dual: Callable[[Tensor], forward_ad.UnpackedDualTensor] = forward_ad.unpack_dual


def expected_cost(subject: Subject, order: int = 1) -> int:
    """Evaluations that an uneventful diagnosis takes; of second order it examines the gradient in the same way."""
    second = 0 if subject.scenario is not None else GRADIENT
    return order * (2 + 2 * GRADIENT + second + len(subject.coordinates) * (DIFFERENCES + FORWARD_MODE))


def shared_facts(subject: Subject, meter: Meter, reference: dict[str, float]) -> SharedFacts:
    """Facts about the loss that hold for all parameters.

    Raises:
        DoctorError: the loss cannot be examined at all.
        BudgetSpent: the budget does not allow for them.
    """
    meter.count(GRADIENT)
    loss, image, watch, leaves = _watched(subject)
    requires_grad = loss.requires_grad
    graph = inspect(loss, leaves)
    if graph.error and "second time" not in graph.error:
        raise DoctorError(f"{subject.name}: backward raised: {graph.error} Correct that first; no gradient exists.")
    second = graph.error
    if subject.scenario is None and not second:
        meter.count(GRADIENT)
        second = _second_error(subject, leaves)
    meter.count(2)
    first, again = (float(subject.evaluate(dict(subject.values))[0].detach()) for _ in range(2))
    image = None if image is None else image.detach()
    weights = None if image is None or subject.loss is None else _weights(subject.loss, image)
    facts = SharedFacts(
        subject, first, (first, again), requires_grad, watch, graph,
        second_error=second,
        image=image,
        weights=weights,
        summary=None if image is None else _summary(image),
        reference=reference,
    )  # fmt: skip
    if facts.dark and subject.scenario is not None:
        facts = replace(facts, revivals=revivals(subject.scenario, meter.count))
    meter.count(GRADIENT)
    single = graph.gradients if subject.is_single else _gradients(subject.cast(torch.float32))
    double = _gradients(subject.cast(torch.float64)) if subject.is_single else graph.gradients
    modes = _modes(subject, meter) if reference and subject.scenario is not None else {}
    return replace(facts, single_gradients=single, double_gradients=double, modes=modes)


def observe(shared: SharedFacts, coordinate: Coordinate, meter: Meter) -> tuple[Observation, Tensor | None]:
    """Measurements of one coordinate, and the derivative of the image by it (pixels,) where there is one.

    Raises:
        BudgetSpent: the budget does not allow for all of them.
    """
    o = Observation(
        shared, coordinate, _along(shared.graph.gradients, coordinate),
        single=_along(shared.single_gradients, coordinate),
        double=_along(shared.double_gradients, coordinate),
    )  # fmt: skip
    if not shared.repeatable or not math.isfinite(shared.loss):
        return replace(o, agreement="missing" if o.gradient is None else "inconclusive"), None
    subject = shared.subject.cast(torch.float64) if shared.is_single else shared.subject
    meter.count(FORWARD_MODE)
    forward, tangent = _forward(subject, coordinate)
    o = _weighed(replace(o, forward=forward), tangent)
    # A gradient in single precision is held to the one in double, and that to the finite difference.
    checked = o.double if shared.is_single and o.gradient is not None else o.gradient
    function = _loss_along(subject, coordinate, meter)
    epsilon = torch.finfo(subject.evaluate(dict(subject.values))[0].dtype).eps
    difference = differentiate(
        function, coordinate.value, coordinate.step,
        low=coordinate.low,
        high=coordinate.high,
        expected=checked,
        magnitude=o.magnitude or 0.0,
        epsilon=epsilon,
    )  # fmt: skip
    o = replace(o, difference=difference)
    if subject.has_image and (tangent is None or (o.responds and not o.response)):
        tangent = _image_difference(subject, coordinate, difference.steps[-1], meter)
        o = _weighed(o, tangent)
    o = replace(o, agreement=agreement(checked, difference, o.magnitude))
    return _looked_closer(o, subject, tangent, meter), tangent


def sensitivities(scenario: Scenario) -> dict[str, Tensor]:
    """Derivatives of an image by the quantities of a scenario, in forward mode.

    Args:
        scenario: the scenario; its ``names`` say by which quantities.

    Returns:
        Derivatives (spixels, fpixels) by each quantity, by its label ("a", "distance"), on the CPU, in photons per unit
        of the quantity. A quantity is left out where an operation has no rule for it.

    Raises:
        DoctorError: no image can be computed from the scenario.

    Example:
        ```python
        images = sensitivities(scenario)
        images["a"].shape  # (scenario.detector.spixels, scenario.detector.fpixels)
        ```
    """
    subject = subject_of(scenario)
    shape = (scenario.detector.spixels, scenario.detector.fpixels)
    found = {}
    for coordinate in subject.coordinates:
        _, tangent = _forward(subject, coordinate)
        if tangent is not None:
            found[coordinate.label] = tangent.reshape(shape).cpu()
    return found


def _looked_closer(o: Observation, subject: Subject, tangent: Tensor | None, meter: Meter) -> Observation:
    """Add extra measurements, made only for suspicious parameters.

    Args:
        o: the observation so far.
        subject: the model, in double precision.
        tangent: derivative (pixels,) of the image by the coordinate, None where there is none.
        meter: counts the evaluations.
    """
    coordinate = o.coordinate
    far_changes = fresh = near_zero = concentration = None
    if o.silent and o.flat:
        far_changes = _far_changes(subject, coordinate, o.shared, meter)
        if subject.rebuild is not None:
            fresh = _fresh_difference(subject, subject.rebuild, coordinate, meter)
    if o.silent and coordinate.value == 0 and o.responds:
        meter.count(GRADIENT)
        near_zero = _gradient_at(subject, coordinate, NEAR_ZERO)
    if o.agreement == "disagrees" and tangent is not None and o.difference is not None and o.shared.weights is not None:
        measured = _image_difference(subject, coordinate, o.difference.steps[-1], meter)
        if measured is not None:
            concentration = _concentration((measured - tangent) * o.shared.weights.reshape(-1))
    return replace(o, far_changes=far_changes, fresh=fresh, near_zero=near_zero, concentration=concentration)


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
                torch.autograd.grad(loss, list(leaves.values()), allow_unused=True)
    except RuntimeError as error:
        message = str(error).splitlines()[0]
        return message if "second time" in message else ""
    return ""


def _gradients(subject: Subject) -> dict[str, Tensor | None]:
    """Gradients by parameter, None where the graph does not reach it; empty where the evaluation raises."""
    leaves = subject.leaves()
    try:
        with torch.enable_grad():
            loss, _ = subject.evaluate(leaves)
            if not loss.requires_grad:
                return dict.fromkeys(leaves)
            found = torch.autograd.grad(loss, list(leaves.values()), allow_unused=True)
    except (DoctorError, RuntimeError):
        return {}
    return dict(zip(leaves, found, strict=True))


def _along(gradients: dict[str, Tensor | None], coordinate: Coordinate) -> float | None:
    """Component of a gradient along a coordinate."""
    gradient = gradients.get(coordinate.parameter)
    if gradient is None:
        return None
    if gradient.numel() == 1:
        return float(gradient)
    return float((gradient * coordinate.direction.to(gradient)).sum())


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


def _forward(subject: Subject, coordinate: Coordinate) -> tuple[float | None, Tensor | None]:
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


def _far_changes(subject: Subject, coordinate: Coordinate, shared: SharedFacts, meter: Meter) -> bool | None:
    """Try large changes of a coordinate until one changes the image, or the loss where there is no image.

    Args:
        subject: the model.
        coordinate: the number to change.
        shared: image and loss at the point of evaluation.
        meter: counts the evaluations.

    Returns:
        A change had an effect; None where none could be evaluated.
    """
    result: bool | None = None
    for part in FAR:
        position = coordinate.value + part * coordinate.far
        if not coordinate.low <= position <= coordinate.high:
            continue
        meter.count()
        try:
            loss, image = subject.evaluate(subject.at(coordinate, position))
        except DoctorError:
            continue
        if image is not None and shared.image is not None:
            result = not torch.equal(image.detach().to(shared.image), shared.image)
        else:
            result = float(loss.detach()) != shared.loss
        if result:
            break
    return result


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
    return _along(_gradients(moved), coordinate)


def _modes(subject: Subject, meter: Meter) -> dict[str, dict[str, float]]:
    """Gradients in every mode of :mod:`nanobrag_torch.compat`, by mode and name."""
    assert subject.scenario is not None
    found: dict[str, dict[str, float]] = {}
    for name in PRESETS:
        meter.count(GRADIENT)
        scenario = replace(subject.scenario, compat=name)
        gradients = _gradients(replace(subject, function=scenario.image, scenario=scenario))
        found[name] = {key: float(value) for key, value in gradients.items() if value is not None}
    return found
