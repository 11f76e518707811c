"""Outcome of a fit in words: errors where there is a fit, what was held and why, the worst pixels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from nanobrag_torch.quantities import quantity
from nanobrag_torch.refine import likelihood, normal_matrix, outliers
from nanobrag_torch.refine.fit import Fit, of_all_pixels
from nanobrag_torch.refine.goodness import BY_CHANCE, Goodness
from nanobrag_torch.refine.model import Model, scenario_at
from nanobrag_torch.refine.normal_matrix import OpenDirection
from nanobrag_torch.refine.orientation import matrix_of, rotation_vector
from nanobrag_torch.refine.outliers import LEFT_OUT, Residual
from nanobrag_torch.refine.parameters import MISSET, TURNS, Parameters
from nanobrag_torch.refine.problem import Problem
from nanobrag_torch.refine.reflections import grouped, indices_of_pixels
from nanobrag_torch.refine.result import RefinedParameter, RefinementResult
from nanobrag_torch.refine.scoring import Scoring


def result_of(
    fit: Fit, start: Mapping[str, float], problem: Problem, found: Scoring, unexplained: float, residuals: int
) -> RefinementResult:
    """Put the end of a fit into words.

    Args:
        fit: the refinement.
        start: state at its start.
        problem: likelihood of the pixels that counted last.
        found: its end.
        unexplained: part of the pattern that may stay unexplained.
        residuals: number of worst pixels to tell of.
    """
    parameters, point = fit.parameters, found.point
    everything, expected, good = of_all_pixels(fit, found)
    fits, reason = _verdict(found, good, unexplained)
    remarks = [*fit.observed.remarks, *_remarks(everything, good, fits)]
    null = _open(parameters, point.matrix, found.kept, frozenset(fit.held))
    held = {**fit.held, **_held(parameters, found.kept, null, fit.held)}
    kept = [
        keep and not crosses
        for keep, crosses in zip(found.kept, _at_bound(parameters, point.state, point.gradient), strict=True)
    ]
    covariance = normal_matrix.covariance(point.matrix, kept) if fits else torch.zeros_like(point.matrix)
    by = parameters.by_coordinates(point.state)
    own = by @ covariance @ by.T
    chosen = [i for i, keep in enumerate(kept) if keep]
    names = [parameters.names[i] for i in chosen]
    weak = normal_matrix.open_directions(names, point.matrix[chosen][:, chosen], normal_matrix.WEAK) if names else []
    words = _Words(fit, start, point.state, held, fits, kept)
    return RefinementResult(
        converged=fits,
        reason=reason,
        steps=fit.steps,
        goodness=good,
        parameters=tuple(words.parameter(name, own) for name in fit.scenario.names),
        turns=words.turns(covariance),
        null_directions=tuple(null),
        weak_directions=tuple(weak),
        held=held,
        remarks=tuple(remarks),
        worst=_worst(fit, everything, expected, point.state, residuals),
        history=tuple(fit.history),
        scenario=scenario_at(fit.scenario, parameters, point.state),
        covariance=own,
        covariance_names=parameters.quantities,
        slow=everything.model.slow,
        fast=everything.model.fast,
        observed=everything.photons,
        expected=expected,
        interrupted=found.interrupted,
        amplitudes=fit.amplitudes if fits else None,
        _influence=partial(_influence, problem, found, covariance),
    )


def _verdict(found: Scoring, good: Goodness, unexplained: float) -> tuple[bool, str]:
    """True where there is a fit, and in any case the reason in words."""
    if not found.converged:
        return False, found.reason
    if good.excess > BY_CHANCE and good.unexplained > unexplained:
        return False, (
            f"a minimum of -log L that does not describe the counts: {good.unexplained:.0%} of the pattern is "
            f"unexplained, at most {unexplained:.0%} is allowed. Start nearer, or look at the worst pixels"
        )
    return True, found.reason


def _remarks(problem: Problem, good: Goodness, fits: bool) -> list[str]:
    remarks = []
    left_out = int((problem.weights < LEFT_OUT).sum())
    if left_out:
        remarks.append(f"{left_out} pixels that no model explains count by less than half")
    if fits and good.excess > BY_CHANCE:
        remarks.append(
            f"the counts differ from the model by more than counting explains ({good.excess:.0f} standard deviations, "
            f"{good.unexplained:.1%} of the pattern): the standard errors are those of counting alone"
        )
    if fits and good.quiet:
        part = good.deviance / good.expected_deviance
        remarks.append(
            f"these are no counts of photons: they scatter {part:.2g} times as much as counting does. Is an offset or "
            "a gain left in them? Values and standard errors hold for counts alone"
        )
    return remarks


def _at_bound(parameters: Parameters, state: Mapping[str, float], gradient: Tensor) -> list[bool]:
    return parameters.at_bounds(state, -gradient)


def _open(parameters: Parameters, matrix: Tensor, kept: Sequence[bool], held: frozenset[str]) -> list[OpenDirection]:
    """Null directions among the coordinates that were not held by decision."""
    free = [i for i, name in enumerate(parameters.names) if name not in held]
    return normal_matrix.open_directions([parameters.names[i] for i in free], matrix[free][:, free])


def _held(
    parameters: Parameters, kept: Sequence[bool], null: Sequence[OpenDirection], known: Mapping[str, str]
) -> dict[str, str]:
    """Coordinates that the data do not determine, each with the null direction that it is part of."""
    found = {}
    for name, keep in zip(parameters.names, kept, strict=True):
        if not keep and name not in known:
            words = [each.words for each in null if name in each.components]
            found[name] = words[0] if words else "the data do not determine it beside the others"
    return found


def _worst(
    fit: Fit, everything: Problem, expected: Tensor, state: Mapping[str, float], count: int
) -> tuple[Residual, ...]:
    """The worst pixels; reflections are sought for these alone."""
    model = everything.model
    args = (everything.photons, expected, everything.noise, everything.weights)
    if not count:
        return ()
    shares = likelihood.deviance(everything.photons, expected, everything.noise)
    order = torch.topk(shares, min(count, len(shares))).indices
    chosen = torch.zeros_like(fit.usable)
    chosen[model.slow[order], model.fast[order]] = True
    few = Model.of(fit.scenario, fit.parameters, chosen)
    indices = torch.zeros((*chosen.shape, 3), dtype=torch.long)
    indices[few.slow, few.fast] = indices_of_pixels(few, state)
    return outliers.worst(count, model.slow, model.fast, *args, indices[model.slow, model.fast])


def _influence(problem: Problem, found: Scoring, covariance: Tensor) -> tuple[Tensor, Tensor, tuple[str, ...]]:
    """Reflections (m, 3), the shift (m, p) of each coordinate that each asks for, and the coordinates' names."""
    point, model = found.point, problem.model
    distinct, number = grouped(indices_of_pixels(model, point.state))
    _, jacobian = model.with_derivatives(point.state)
    slope = problem.weights * likelihood.score(problem.photons, point.expected, problem.noise)
    shifts = outliers.influence(jacobian, slope, covariance, number, len(distinct))
    return distinct, shifts, model.parameters.names


@dataclass(frozen=True)
class _Words:
    """Parameters of a result with their notes."""

    fit: Fit
    start: Mapping[str, float]
    end: Mapping[str, float]
    held: Mapping[str, str]
    fits: bool
    kept: Sequence[bool]

    def parameter(self, name: str, covariance: Tensor) -> RefinedParameter:
        """Entry of a name of the scenario."""
        parameters, row = self.fit.parameters, quantity(name)
        if name in parameters.fixed:
            value = parameters.fixed[name]
            return RefinedParameter(name, row.label, row.unit, value, value, None, "fixed by symmetry")
        root = parameters.ties.get(name, name)
        place = parameters.quantities.index(root)
        begun, value = self.start[root], self.end[root]
        notes = [f"equals {quantity(root).label}"] if root != name else []
        sigma, why = self._sigma(place, covariance)
        notes += [why] if why else []
        if root in self.fit.restraints:
            centre, width = self.fit.restraints[root]
            notes.append(f"restrained to {centre:g} ± {width:g}")
        return RefinedParameter(name, row.label, row.unit, begun, value, sigma, "; ".join(notes))

    def _sigma(self, place: int, covariance: Tensor) -> tuple[float | None, str]:
        """Standard error of a free quantity, or None and the reason."""
        coordinate = self.fit.parameters.coordinates[place]
        turned = [i for i, each in enumerate(self.fit.parameters.coordinates) if each.kind == "turn"]
        together = turned if coordinate.kind == "turn" else [place]
        names = [self.fit.parameters.names[i] for i in together]
        because = next((f"held: {self.held[each]}" for each in names if each in self.held), None)
        if because is not None:
            return None, because
        if not self.fits:
            return None, "no fit"
        if not all(self.kept[i] for i in together):
            return None, "at its bound"
        sigma = float(covariance[place, place]) ** 0.5
        if not 0 < sigma < float("inf"):
            return None, "not an angle of its own where misset y is 90°: see the turns"
        return sigma, ""

    def turns(self, covariance: Tensor) -> tuple[RefinedParameter, ...]:
        """Rotation from the start about the laboratory axes."""
        parameters = self.fit.parameters
        if not parameters.turning:
            return ()
        first, last = (
            matrix_of(torch.tensor([state[name] for name in MISSET], dtype=torch.float64))
            for state in (self.start, self.end)
        )
        found = rotation_vector(last @ first.T).tolist()
        made = []
        for axis, name, value in zip("xyz", TURNS, found, strict=True):
            sigma, why = self._sigma(parameters.names.index(name), covariance)
            made.append(RefinedParameter(name, f"turn {axis}", "°", 0.0, value, sigma, why))
        return tuple(made)
