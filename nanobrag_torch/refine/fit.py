"""A fit from coarse to fine: few pixels first, then all that matter; pixels weighed anew; what is open is held."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from nanobrag_torch.quantities import quantity
from nanobrag_torch.refine import background as backgrounds
from nanobrag_torch.refine import likelihood, normal_matrix
from nanobrag_torch.refine.amplitudes import RefinedAmplitudes, free_amplitudes
from nanobrag_torch.refine.background import Background
from nanobrag_torch.refine.door import check_start
from nanobrag_torch.refine.goodness import Goodness, goodness
from nanobrag_torch.refine.model import Model
from nanobrag_torch.refine.observed import Observed, around, boxes_mask, brightest_near, faint
from nanobrag_torch.refine.outliers import LEFT_OUT, quiet_level, robust_weights
from nanobrag_torch.refine.parameters import Coordinate, Parameters
from nanobrag_torch.refine.problem import Point, Problem
from nanobrag_torch.refine.scoring import ON_THE_WAY, STEP, Progress, Scoring, scored
from nanobrag_torch.scenario import Scenario

#: Part of the information on the scale that the faintest pixels hold together and that is left out: on the way, and in
#: the end.
COARSE, FINE = 1e-2, 3e-4
#: Photons above the background from which on a pixel counts on the way although no spot is expected there.
BRIGHT = 3.0
#: Pixels within which of a spot of the start that spot may come to be, and how many times as bright it may become.
NEAR, AMPLE = 4, 4.0
#: Part of the bright pixels that zingers are at most.
FEW = 0.1
#: Standard errors beyond which a parameter is not determined: of a logarithm, and of a turn in degrees.
OPEN = {"log": 1.0, "turn": 5.0}
#: Rounds of weighing pixels anew, and change of the weights' sum below which they are settled.
ROUNDS, SETTLED = 8, 1e-3

Boxes = Sequence[tuple[int, int, int, int]]


@dataclass
class Fit:
    """A refinement under way.

    Attributes:
        scenario: the start.
        parameters: its coordinates.
        observed: counts in photons.
        background: a number, an image, "plane" or "radial".
        boxes: shoeboxes to which the pixels are restricted; None for all pixels.
        restraints: centre and standard deviation by name.
        max_steps: largest number of steps in all.
        progress: called after each step.
        robust: take weight from pixels that no model explains.
        structure_factors: standard deviation of the logarithms of structure factors that are free; None for none.
        amplitudes: those at the end.
        steps: number of steps so far.
        history: one entry a step.
        held: coordinates that stay at the start, and why.
    """

    scenario: Scenario
    parameters: Parameters
    observed: Observed
    background: Any
    boxes: Boxes | None
    restraints: Mapping[str, tuple[float, float]]
    max_steps: int
    progress: Callable[[Progress], None] | None
    robust: bool = False
    structure_factors: float | None = None
    amplitudes: RefinedAmplitudes | None = None
    steps: int = 0
    history: list[Progress] = field(default_factory=list)
    held: dict[str, str] = field(default_factory=dict)

    @property
    def usable(self) -> Tensor:
        """True for the pixels (slow, fast) that count."""
        shape = (int(self.observed.usable.shape[0]), int(self.observed.usable.shape[1]))
        return self.observed.usable if self.boxes is None else self.observed.usable & boxes_mask(self.boxes, shape)

    def problem(self, chosen: Tensor, weights: Tensor | None = None) -> Problem:
        """The likelihood of the pixels ``chosen`` (slow, fast), weighed by ``weights`` (slow, fast)."""
        model = Model.of(self.scenario, self.parameters, chosen)
        photons = self.observed.photons[model.slow, model.fast]
        weighed = torch.ones_like(photons) if weights is None else weights[model.slow, model.fast]
        return Problem(model, photons, self.background_of(model), self.observed.noise, weighed, self.restraints)

    def background_of(self, model: Model) -> Background:
        """The background of the pixels of a model."""
        shape = (int(self.observed.usable.shape[0]), int(self.observed.usable.shape[1]))
        if isinstance(self.background, str):
            if self.background == "plane":
                return backgrounds.planes(self.boxes or [(0, shape[0], 0, shape[1])], shape, model.slow, model.fast)
            return backgrounds.radial(model.angles())
        return backgrounds.given(self.background, shape, model.slow, model.fast)

    def coarse_pixels(self, state: Mapping[str, float]) -> Tensor:
        """Pixels (slow, fast) for the way: where spots are expected, and where there are photons."""
        lit = self.lit_pixels(state, COARSE)
        if isinstance(self.background, str):
            return lit
        level = torch.as_tensor(self.background, dtype=torch.float64).expand(lit.shape)
        seen = self.observed.photons - level > BRIGHT + 3 * torch.sqrt(level + self.observed.noise)
        return lit | (around(seen & self.usable, 1) & self.usable)

    def lit_pixels(self, state: Mapping[str, float], part: float) -> Tensor:
        """Pixels (slow, fast) that matter at a state; all that count where a background is refined along."""
        usable = self.usable
        if isinstance(self.background, str):
            return usable
        model = Model.of(self.scenario, self.parameters, usable)
        signal = model.image(state)
        fixed = self.background_of(model).fixed
        keep = ~faint(signal, (signal + fixed + self.observed.noise).clamp_min(1e-300), part)
        chosen = torch.zeros_like(usable)
        chosen[model.slow, model.fast] = keep
        return chosen

    def weights_of_the_possible(self, state: Mapping[str, float]) -> Tensor:
        """Weights (slow, fast), 0 for what is brighter than any spot of a state that may come there, else 1.

        Where that is more than a few of the bright pixels, the state is too far off to tell, and all have 1.
        """
        model = Model.of(self.scenario, self.parameters, self.usable)
        photons = self.observed.photons[model.slow, model.fast]
        signal = torch.zeros_like(self.observed.photons)
        signal[model.slow, model.fast] = model.image(state)
        level, noise = quiet_level(photons, model.angles()), self.observed.noise
        scale = max(1.0, float((photons - level).sum() / signal.sum().clamp_min(1e-300)))
        most = AMPLE * scale * brightest_near(signal, NEAR)[model.slow, model.fast] + level
        possible = robust_weights(photons.maximum(most), most, noise) > LEFT_OUT
        bright = robust_weights(photons.maximum(level), level, noise) < 1
        weights = torch.ones_like(signal)
        if int((~possible).sum()) <= FEW * int(bright.sum()):
            weights[model.slow, model.fast] = possible.to(weights.dtype)
        return weights

    def run(
        self, chosen: Tensor, state: Mapping[str, float], weights: Tensor | None = None, near: float = STEP
    ) -> tuple[Problem, Scoring]:
        """Refine in some pixels from a state; before the very first step the doctor is at the door."""
        problem = self.problem(chosen, weights)
        return problem, self.run_from(problem, problem.at(state, problem.start(state)), near)

    def run_from(self, problem: Problem, start: Point, near: float = STEP) -> Scoring:
        """Refine a likelihood from a point of it, until a step is ``near`` standard errors at most."""
        if not self.history:
            check_start(self.scenario, self.parameters, start)
        found = scored(problem, start, frozenset(self.held), self.max_steps, self.progress, self.steps, near)
        self.steps += found.steps
        self.history += found.history
        return found


def fitted(fit: Fit, state: dict[str, float]) -> tuple[Problem, Scoring]:
    """Refine from coarse to fine; hold what the data leave open; weigh pixels anew where asked.

    Args:
        fit: the refinement.
        state: values of the free quantities at the start.
    """
    # A zinger among dark pixels weighs more than a whole pattern, and may keep it from its place.
    problem, found = _coarse_to_fine(fit, state, fit.weights_of_the_possible(state) if fit.robust else None)
    if fit.robust and found.converged:
        problem, found = _weighed(fit, problem, found)
    return _with_amplitudes(fit, problem, found) if fit.structure_factors else (problem, found)


def _coarse_to_fine(fit: Fit, state: dict[str, float], weights: Tensor | None = None) -> tuple[Problem, Scoring]:
    """Refine with these weights (slow, fast) from coarse to fine, and hold what the data leave open."""
    begin = dict(state)
    if not isinstance(fit.background, str):
        problem, on_the_way = fit.run(fit.coarse_pixels(state), state, weights, near=ON_THE_WAY)
        if on_the_way.interrupted:
            return problem, on_the_way
        state = on_the_way.point.state
    problem, found = fit.run(fit.lit_pixels(state, FINE), state, weights)
    while not found.interrupted and (wide := too_wide(problem, found)) is not None:
        name, because = wide
        fit.held[name] = because
        state = {**found.point.state, **({name: begin[name]} if name in begin else {})}
        problem, found = fit.run(fit.lit_pixels(state, FINE), state, weights)
    return problem, found


def _with_amplitudes(fit: Fit, problem: Problem, found: Scoring) -> tuple[Problem, Scoring]:
    """Go on with free structure factors; those at the end become the scenario's."""
    assert fit.structure_factors is not None
    free = free_amplitudes(problem.model, found.point.state, fit.structure_factors)
    problem = replace(problem, amplitudes=free)
    found = fit.run_from(problem, problem.at(found.point.state, free.start()))
    point = found.point
    covariance = normal_matrix.covariance(point.matrix, found.kept)
    information = torch.zeros(free.blocks, dtype=torch.float64).index_add(
        0, free.number, problem.weights * free.functions(point.signal)[0] ** 2 / (point.expected + problem.noise)
    )
    follows = point.background_follows[:, 0]
    spread = 1 / (information + free.sigma**-2) + torch.einsum("bp,pr,br->b", follows, covariance, follows)
    h, k, l = free.places.T
    table = free.table_at(point.coefficients)
    fit.amplitudes = RefinedAmplitudes(
        free.indices, free.table[h, k, l], table[h, k, l], table[h, k, l] * torch.sqrt(spread[:-1])
    )
    fit.scenario = replace(fit.scenario, hkl_data=table)
    return problem, found


def too_wide(problem: Problem, found: Scoring) -> tuple[str, str] | None:
    """The coordinate whose standard error is farthest beyond what means anything, and the reason in words, or None."""
    coordinates = problem.model.parameters.coordinates
    errors = torch.sqrt(torch.diagonal(normal_matrix.covariance(found.point.matrix, found.kept)))
    parts = [
        float(error) / _limit(each, found.point) if kept else 0.0
        for each, error, kept in zip(coordinates, errors, found.kept, strict=True)
    ]
    worst = max(range(len(parts)), key=parts.__getitem__)
    if parts[worst] <= 1:
        return None
    # Of those that are open together, the one that is held first.
    open_ones = [i for i, part in enumerate(parts) if part > 1]
    chosen = min(open_ones, key=lambda i: (normal_matrix.rank(coordinates[i].name), -parts[i]))
    each, error = coordinates[chosen], float(errors[chosen])
    words = f"a factor of {2.718281828 ** min(error, 50):.2g}" if each.kind == "log" else f"{error:.2g} {_unit(each)}"
    return each.name, f"the data leave it open by {words}"


def _limit(each: Coordinate, point: Point) -> float:
    if each.kind in OPEN:
        return OPEN[each.kind]
    return quantity(each.name).far_at(point.state[each.name])


def _unit(each: Coordinate) -> str:
    return "°" if each.kind == "turn" else quantity(each.name).unit


def _weighed(fit: Fit, problem: Problem, found: Scoring) -> tuple[Problem, Scoring]:
    """Refine with weights that follow from the residuals, until these are settled."""
    before = float(problem.weights.sum())
    for _ in range(ROUNDS):
        weights = torch.ones_like(fit.observed.photons)
        model = problem.model
        weights[model.slow, model.fast] = robust_weights(problem.photons, found.point.expected, fit.observed.noise)
        problem, found = fit.run(_of(model, weights), found.point.state, weights)
        after = float(problem.weights.sum())
        if abs(after - before) < SETTLED * max(1.0, after) or not found.converged:
            break
        before = after
    return problem, found


def _of(model: Model, like: Tensor) -> Tensor:
    chosen = torch.zeros(like.shape, dtype=torch.bool)
    chosen[model.slow, model.fast] = True
    return chosen


def of_all_pixels(fit: Fit, found: Scoring) -> tuple[Problem, Tensor, Goodness]:
    """Problem of all pixels that count, their expected photons, and the goodness of a fit in all of them."""
    problem = fit.problem(fit.usable)
    background = problem.background.at(found.point.coefficients)
    expected = (problem.model.image(found.point.state) + background).clamp_min(likelihood.LEAST_EXPECTED)
    if fit.robust:
        problem = replace(problem, weights=robust_weights(problem.photons, expected, problem.noise))
    good = goodness(problem.photons, expected, background.clamp_min(0), problem.noise, problem.weights, sum(found.kept))
    return problem, expected, good
