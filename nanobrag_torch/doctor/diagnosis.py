"""Diagnosis of a loss and its parameters: measure, ask the decision table, and report a verdict on each gradient."""

import math
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from .budget import BudgetSpent, Meter, ProgressCallback
from .elements import sorted_elements, words
from .fisher import fisher
from .measure import expected_cost, observe, shared_facts
from .modes import compared
from .modules import release
from .observation import TOLERANCE, Observation, SharedFacts
from .records import (
    Elements,
    Fisher,
    GradientVerdict,
    ParameterReport,
    SecondDerivative,
    Severity,
    Stage,
)
from .report import GradientReport
from .rules import RULES, VerdictRule, remedy
from .second_order import refusal, second_order_rules, slope_of
from .subject import DoctorError, ModelFunction, Subject, is_large, subject_of

if TYPE_CHECKING:
    from ..scenario import Scenario

#: Verdicts from the gravest to the least.
GRAVITY: tuple[Severity, ...] = ("fault", "unexamined", "warning", "explained", "healthy")


def diagnose(
    examined: "Scenario | torch.nn.Module | Callable[[Any], Any]",
    params: Any = None,
    *,
    loss: Callable[[Tensor], Tensor] | None = None,
    steps: Mapping[str, float] | None = None,
    rebuild: Callable[[], ModelFunction] | None = None,
    reference: Mapping[str, float] | None = None,
    order: int = 1,
    tolerance: float = TOLERANCE,
    evaluations: int | None = None,
    seconds: float | None = None,
    progress: ProgressCallback | None = None,
    quick: bool = False,
    interruptible: bool = False,
) -> GradientReport:
    """Say of every parameter whether its gradient is right, and if it is zero, missing, not finite or wrong, why.

    Args:
        examined: a scenario; a module, whose parameters that ask for a gradient are examined in the mode, train or
            eval, that it is in; or a function of a dict of tensors that gives a loss. With ``loss`` function and module
            give an image, or any output.
        params: parameters of the function, by name: tensors of any shape, or numbers. Nested dicts, lists and tuples
            reach the function in their structure and are named by their path, "layers.0.weight"; a complex tensor is
            examined by its parts, "z.real" and "z.imag". A tensor of more than six elements is examined along one fixed
            random direction, and by blocks of elements where that shows a wrong gradient. For a module its inputs: a
            tensor, a tuple of arguments or a dict of keyword arguments.
            None for a scenario.
        loss: reduces the image to a tensor of one element, so that pixels can be told apart.
        steps: first steps of finite differences by name, in the parameter's unit.
        rebuild: makes the function anew, to find values that it keeps between calls.
        reference: gradients that were expected, by name.
        order: 2 examines second derivatives too, where no first one is at fault: Hessian-vector products along one
            fixed direction against differences of gradients.
        tolerance: part of its contributions by which a gradient may be off and still be right, such as the tolerance of
            a solver within the model.
        evaluations: most evaluations of the loss; a gradient counts as three. None for no limit.
        seconds: most seconds of work. None for no limit. Parameters beyond a limit are reported as "unexamined".
        progress: called with (evaluations done, evaluations expected, next step), the first time before any work.
        quick: leave out what no verdict needs: forward derivatives, and the signal at every step of the physics. A
            scenario takes a tenth of the time.
        interruptible: an interruption by the keyboard ends the work as a spent budget does, once there is a gradient,
            and is not raised.

    Returns:
        A frozen report with one verdict for every parameter, or element of a small one.

    Raises:
        DoctorError: (a ``ValueError``) the loss is no scalar or raises, a parameter cannot carry a gradient, or the
            budget does not allow for one gradient.

    Example:
        ```python
        report = diagnose(lambda p: (p["x"] ** 2).sum(), {"x": torch.tensor(3.0, dtype=torch.float64)})
        report["x"].verdict.code  # 'healthy'
        report["x"].gradient  # 6.0
        ```
    """
    if order not in (1, 2):
        raise DoctorError(f"order = {order!r}: must be 1, for gradients, or 2, for second derivatives as well.")
    if not 0 <= tolerance < 1:
        raise DoctorError(f"tolerance = {tolerance!r}: must be a part of the gradient, from 0 up to 1, such as 1e-4.")
    subject = replace(_subject(examined, params, loss, steps, rebuild), quick=quick)
    meter = Meter(expected_cost(subject, order), evaluations, seconds, progress, interruptible=interruptible)
    try:
        return _diagnosed(subject, dict(reference or {}), order, tolerance, meter)
    except BudgetSpent:
        raise DoctorError(
            f"evaluations = {evaluations}, seconds = {seconds}: must allow the first gradient and two evaluations. "
            f"An uneventful diagnosis takes {meter.expected} evaluations."
        ) from None
    finally:
        release(examined)


def _diagnosed(
    subject: Subject, reference: dict[str, float], order: int, tolerance: float, meter: Meter
) -> GradientReport:
    """Report on a subject. Raises ``BudgetSpent`` where the budget does not allow for one gradient."""
    meter.tell("graph")
    try:
        shared = shared_facts(subject, meter, reference, tolerance)
    except DoctorError as error:
        if subject.simulation is None or not isinstance(error.__cause__, ValueError):
            raise
        return _impossible(subject, str(error.__cause__), meter)
    if shared.requires_grad and not shared.graph.reached and subject.ignores_its_dict():
        raise DoctorError(
            f"{subject.name} does not use the dict that it is called with, but the tensors handed over as params: its "
            "gradients cannot be compared with differences. Take them from the dict, p['name']; of a module write "
            "diagnose(module, inputs, loss=...), or torch.func.functional_call(module, p, inputs) in the function."
        )
    parameters, tangents = _examine(shared, meter)
    if order == 2:
        parameters = _with_second_order(shared, parameters, meter)
    modes = _modes(shared, meter)
    information = _information(shared, tangents)
    strip = _stages(shared, meter)
    return GradientReport(
        subject=subject.name,
        dtype=str(subject.dtype).removeprefix("torch."),
        loss=shared.loss,
        repeatable=shared.repeatable,
        verdict=_overall((*([modes] if modes else []), *(p.verdict for p in parameters))),
        parameters=parameters,
        image=shared.summary,
        stages=strip,
        fisher=information,
        revivals=shared.revivals,
        cost=meter.cost(),
        modes=modes,
    )


def _subject(
    examined: Any,
    params: Any,
    loss: Callable[[Tensor], Tensor] | None,
    steps: Mapping[str, float] | None,
    rebuild: Callable[[], ModelFunction] | None,
) -> Subject:
    """Subject of any kind. Only a scenario loads the simulator, which takes a second, or is not there."""
    package = (__package__ or "").rpartition(".")[0]
    scenarios = sys.modules.get(f"{package}.scenario")
    # Whoever holds a scenario has loaded its module.
    if scenarios is None or not isinstance(examined, scenarios.Scenario):
        return subject_of(examined, params, loss, steps, rebuild)
    if params is not None:
        raise DoctorError("params with a scenario: must be left out. Change the scenario's configs or its names.")
    from .simulation import subject_of_scenario

    return subject_of_scenario(examined, loss, steps)


def _examine(shared: SharedFacts, meter: Meter) -> tuple[tuple[ParameterReport, ...], dict[str, Tensor]]:
    reports: list[ParameterReport] = []
    tangents: dict[str, Tensor] = {}
    for coordinate in shared.subject.coordinates:
        try:
            with meter.within():
                meter.tell(coordinate.label)
                observation, tangent = observe(shared, coordinate, meter)
        except BudgetSpent:
            reports.append(_report(Observation(shared, coordinate, None), _unexamined(meter)))
            continue
        reports.append(_report(observation, _verdict(observation, RULES)))
        if tangent is not None and bool(torch.isfinite(tangent).all()):
            tangents[coordinate.name] = tangent
    return tuple(reports), tangents


def _with_second_order(
    shared: SharedFacts, parameters: tuple[ParameterReport, ...], meter: Meter
) -> tuple[ParameterReport, ...]:
    """Reports with second derivatives, as they are where a first one is at fault."""
    if not meter.complete or any(p.verdict.severity == "fault" for p in parameters):
        return parameters
    meter.tell("second order")
    slope = slope_of(shared.subject, {p.name: p.gradient for p in parameters})
    rules = second_order_rules(shared.graph.custom)
    try:
        with meter.within():
            of_slope = shared_facts(slope, meter, {}, shared.tolerance)
    except BudgetSpent:
        found = dict.fromkeys(
            (c.name for c in slope.coordinates), SecondDerivative(None, None, "missing", _unexamined(meter))
        )
    except DoctorError:
        refused = refusal(slope)
        if refused is None:
            raise
        found = dict.fromkeys((c.name for c in slope.coordinates), SecondDerivative(None, None, "missing", refused))
    else:
        found = {}
        for coordinate in slope.coordinates:
            try:
                with meter.within():
                    o, _ = observe(of_slope, coordinate, meter)
                    verdict = _verdict(o, rules)
            except BudgetSpent:
                o, verdict = Observation(of_slope, coordinate, None), _unexamined(meter)
            found[coordinate.name] = SecondDerivative(o.gradient, o.difference, o.agreement, verdict)
    return tuple(_graver(p, found[p.name]) for p in parameters)


def _graver(p: ParameterReport, second: SecondDerivative) -> ParameterReport:
    """Report with a second derivative, whose verdict stands where it accuses and the first one's does not."""
    verdict = p.verdict
    if GRAVITY.index(second.verdict.severity) < min(GRAVITY.index(verdict.severity), GRAVITY.index("explained")):
        verdict = replace(second.verdict, title=f"second derivative: {second.verdict.title}")
    return replace(p, verdict=verdict, second=second)


def _verdict(o: Observation, rules: tuple[VerdictRule, ...]) -> GradientVerdict:
    """Verdict of the first row of a decision table that holds."""
    rule = next(rule for rule in rules if rule.holds(o))
    evidence = {key: value for key, value in rule.evidence(o).items() if value is not None}
    source = evidence.pop("source", None) or None
    evidence |= words(_elements(o))
    if tied := o.shared.subject.ties.get(o.coordinate.parameter):
        evidence["tied with"] = ", ".join(tied)
    simulation = o.shared.subject.simulation
    stage = None
    if simulation is not None and rule.code != "healthy":
        stage = (
            o.shared.revivals[0].stage if o.shared.revivals else simulation.stage_of(str(source)) if source else None
        )
        because = simulation.inert_because(o.coordinate.name) if rule.code == "Z4" else None
        if because:
            evidence["because"] = because
    source = str(source) if source is not None else None
    return GradientVerdict(rule.code, rule.severity, rule.title, remedy(rule, o), evidence, stage, source)


def _elements(o: Observation) -> Elements | None:
    """Elements of a tensor examined along a direction whose gradient is zero, not finite or wrong."""
    gradient = o.shared.graph.gradients.get(o.coordinate.parameter)
    return None if gradient is None or not is_large(gradient) else sorted_elements(gradient, o.search)


def _modes(shared: SharedFacts, meter: Meter) -> GradientVerdict | None:
    """Verdict on a module whose gradients are of another kind in train than in eval."""
    try:
        with meter.within():
            meter.tell("train and eval")
            return compared(shared.subject, shared.graph.gradients, meter)
    except BudgetSpent:
        return None


def _report(o: Observation, verdict: GradientVerdict) -> ParameterReport:
    c = o.coordinate
    return ParameterReport(
        name=c.name,
        label=c.label,
        unit=c.unit,
        value=c.value,
        leaf=o.shared.subject.leaf[c.parameter],
        connected=o.connected,
        gradient=o.gradient,
        finite_difference=o.difference,
        forward_derivative=o.forward,
        agreement=o.agreement,
        magnitude=o.magnitude,
        cancellation=o.cancellation,
        single=o.single,
        fresh=o.fresh,
        verdict=verdict,
        elements=_elements(o),
    )


def _unexamined(meter: Meter) -> GradientVerdict:
    title, remedy = "the budget was spent", "Allow more evaluations or seconds."
    if meter.interrupted:
        title, remedy = "the examination was interrupted", "Run it again."
    return GradientVerdict("unexamined", "unexamined", title, remedy, {})


def _overall(verdicts: tuple[GradientVerdict, ...]) -> GradientVerdict:
    """Gravest verdict; among equals the most frequent."""
    gravest = min((verdict.severity for verdict in verdicts), key=GRAVITY.index)
    of_them = [verdict for verdict in verdicts if verdict.severity == gravest]
    code = Counter(verdict.code for verdict in of_them).most_common(1)[0][0]
    return next(verdict for verdict in of_them if verdict.code == code)


def _impossible(subject: Subject, message: str, meter: Meter) -> GradientReport:
    """Report on a scenario from whose values no image can be computed."""
    verdict = GradientVerdict(
        "N5", "fault", "impossible input: no image can be computed",
        "Correct the value that the message names.", {"message": message}, "cell",
    )  # fmt: skip
    parameters = tuple(
        ParameterReport(
            c.name, c.label, c.unit, c.value, True, False, None, None, None, "missing", None, None, None, None, verdict
        )
        for c in subject.coordinates
    )
    dtype = str(subject.dtype).removeprefix("torch.")
    return GradientReport(
        subject.name, dtype, math.nan, True, verdict, parameters, None, (), None, (), meter.cost()
    )  # fmt: skip


def _information(shared: SharedFacts, tangents: dict[str, Tensor]) -> Fisher | None:
    if shared.image is None or not tangents or shared.dark or shared.subject.loss is None:
        return None
    if not bool((shared.image > 0).any()):
        return None
    columns = torch.stack(list(tangents.values()), 1)
    return fisher(tuple(tangents), columns, shared.image.reshape(-1))


def _stages(shared: SharedFacts, meter: Meter) -> tuple[Stage, ...]:
    simulation = shared.subject.simulation
    if simulation is None or shared.image is None or shared.weights is None or shared.subject.quick:
        return ()
    try:
        with meter.within():
            meter.tell("stages")
            return simulation.stages(shared)
    except BudgetSpent:
        return ()
