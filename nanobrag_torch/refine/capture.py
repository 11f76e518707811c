"""Capture: a start that is off by more than a spot's width, refined with spots that are wide first."""

import itertools
from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from nanobrag_torch.refine.fit import Fit, fitted, of_all_pixels
from nanobrag_torch.refine.goodness import BY_CHANCE
from nanobrag_torch.refine.model import FLUENCE, Model, scenario_at
from nanobrag_torch.refine.parameters import TURNS, Parameters
from nanobrag_torch.refine.problem import Problem
from nanobrag_torch.refine.scoring import ON_THE_WAY, Scoring
from nanobrag_torch.validation import number_of

#: Numbers of cells on the way, as parts of those of the start.
SCHEDULE = (0.25, 0.4, 0.65)
#: Fewest cells along an edge on the way: with fewer, spots are as wide as they lie apart.
FEWEST = 3.0
#: Steps of each stage.
STEPS = 8
#: Turns of the grid about each laboratory axis, degrees.
GRID = (-1.0, -0.5, 0.0, 0.5, 1.0)

N_CELLS = tuple(f"crystal.N_cells[{i}]" for i in range(3))


def wide(fit: Fit, state: Mapping[str, float], part: float) -> tuple[Fit, dict[str, float]]:
    """A fit of spots that are wider than those of a state, and the state as its start.

    Numbers of cells are a part of what they were, and held; the fluence grows so that a spot keeps its photons.

    Args:
        fit: the refinement.
        state: values of its free quantities.
        part: numbers of cells as a part of those of the state.
    """
    crystal = scenario_at(fit.scenario, fit.parameters, state).crystal
    before = [float(number_of(n) or 1.0) for n in crystal.N_cells]
    after = [max(min(n, FEWEST), part * n) for n in before]
    photons = torch.tensor(before).prod() / torch.tensor(after).prod()
    held = {**dict(zip(N_CELLS, after, strict=True)), FLUENCE: _fluence(fit, state) * float(photons)}
    parameters = fit.parameters.without(N_CELLS)
    base = {name: value for name, value in {**state, **held}.items() if name in N_CELLS or name == FLUENCE}
    scenario = scenario_at(fit.scenario, Parameters((), {}, {}), base)
    own = {name: value for name, value in state.items() if name not in N_CELLS}
    if FLUENCE in own:
        own[FLUENCE] = held[FLUENCE]
    kept = {name: pair for name, pair in fit.restraints.items() if name not in (*N_CELLS, FLUENCE)}
    made = replace(
        fit, scenario=scenario, parameters=parameters, restraints=kept, max_steps=fit.steps + STEPS, held={}, history=[]
    )
    return made, own


def _fluence(fit: Fit, state: Mapping[str, float]) -> float:
    return state[FLUENCE] if FLUENCE in state else fit.scenario.value(FLUENCE)


def captured(fit: Fit, state: dict[str, float]) -> dict[str, float]:
    """State after refining with wide spots, stage by stage; numbers of cells stay those of the start.

    Args:
        fit: the refinement; the steps on the way count as its own.
        state: values of its free quantities at the start.
    """
    found = dict(state)
    for part in SCHEDULE:
        stage, begin = wide(fit, found, part)
        if not stage.parameters.coordinates:
            return found
        scale = _fluence(stage, begin) / _fluence(fit, found)
        _, scoring = stage.run(stage.coarse_pixels(begin), begin, near=ON_THE_WAY)
        found |= scoring.point.state
        if FLUENCE in found:
            found[FLUENCE] /= scale
        fit.history += stage.history
        fit.steps = stage.steps
        fit.max_steps += stage.steps - (stage.max_steps - STEPS)
        if scoring.interrupted:
            raise KeyboardInterrupt
    return found


def turned(fit: Fit, state: dict[str, float], grid: tuple[float, ...] = GRID) -> dict[str, float]:
    """The state among turns on a grid whose wide spots are most likely, whatever the scale.

    Args:
        fit: the refinement, whose misset is free.
        state: values of its free quantities.
        grid: turns about each laboratory axis, degrees.
    """
    if not fit.parameters.turning:
        return state
    stage, begin = wide(fit, state, SCHEDULE[0])
    model = Model.of(stage.scenario, stage.parameters, stage.usable)
    photons = fit.observed.photons[model.slow, model.fast]
    background = stage.background_of(model).fixed
    best, at = -torch.inf, state
    for turn in itertools.product(grid, repeat=3):
        moved = fit.parameters.moved(state, _step(fit.parameters, turn))
        own = {name: value for name, value in moved.items() if name in begin}
        likelihood = _whatever_scale(photons, model.image({**begin, **own, **_scaled(begin)}), background)
        if likelihood > best:
            best, at = likelihood, moved
    return at


def _scaled(begin: Mapping[str, float]) -> dict[str, float]:
    return {FLUENCE: begin[FLUENCE]} if FLUENCE in begin else {}


def _step(parameters: Parameters, turn: tuple[float, ...]) -> Tensor:
    by_name = dict(zip(TURNS, turn, strict=True))
    return torch.tensor([by_name.get(name, 0.0) for name in parameters.names], dtype=torch.float64)


def sought(fit: Fit, state: dict[str, float], unexplained: float, capture: bool) -> tuple[Problem, Scoring]:
    """Refine from a start; where the model does not describe the counts then, again with spots that are wide first.

    Of several ends the one with the least deviance in all pixels counts. Turns on a grid are tried where there is no
    fit at all.

    Args:
        fit: the refinement.
        state: values of its free quantities at the start.
        unexplained: part of the pattern that a fit may leave unexplained.
        capture: try again at all.
    """
    most = fit.max_steps
    if not capture:
        return fitted(fit, state)
    start = fit.scenario
    best = fitted(fit, state)
    good, kept = of_all_pixels(fit, best[1])[2], (fit.held, fit.scenario, fit.amplitudes)
    for attempt, enough in ((captured, 0.0), (_from_grid, unexplained)):
        found = best[1]
        if found.interrupted or (found.converged and (good.excess <= BY_CHANCE or good.unexplained <= enough)):
            break
        fit.held, fit.scenario, fit.max_steps = {}, start, fit.steps + most
        try:
            begin = attempt(fit, state)
            fit.max_steps = fit.steps + most
            again = fitted(fit, begin)
        except KeyboardInterrupt:
            found.interrupted, found.converged = True, False
            found.reason = f"interrupted after {fit.steps} steps: the best so far"
            break
        better = of_all_pixels(fit, again[1])[2]
        if better.deviance < good.deviance:
            best, good, kept = again, better, (fit.held, fit.scenario, fit.amplitudes)
    fit.held, fit.scenario, fit.amplitudes = kept
    return best


def _from_grid(fit: Fit, state: dict[str, float]) -> dict[str, float]:
    return captured(fit, turned(fit, state))


def _whatever_scale(photons: Tensor, signal: Tensor, background: Tensor) -> float:
    """Logarithm of the likelihood of the pattern, whose sum is that of the counts."""
    rest = (photons - background).sum().clamp_min(1.0)
    mean = signal * (rest / signal.sum().clamp_min(1e-300)) + background + 1e-3 * photons.mean()
    return float((photons * torch.log(mean) - mean).sum())
