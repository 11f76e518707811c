"""Fisher scoring with Levenberg's damping: from a start to the state of greatest likelihood, or a reason in words."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from nanobrag_torch.refine import normal_matrix
from nanobrag_torch.refine.parameters import Coordinate
from nanobrag_torch.refine.problem import Point, Problem

#: Step in standard errors below which a refinement has ended, and one on the way to another.
STEP, ON_THE_WAY = 0.01, 0.1
#: Decrease of the loss that jumps of an image may hide, and step in standard errors that they may leave.
JUMP, UNSETTLED = 1.0, 0.1
#: Steps without half the promised decrease of those before, after which jumps are taken to be the reason.
PATIENCE = 3
#: Part of the promised decrease that a step must reach; of four steps that do not none will.
CRAWL = 1e-3
#: Damping of the first step, as a part of the diagonal; its factors after a good and a bad step; the largest.
FIRST, EASED, RAISED, LARGEST = 1e-3, 0.1, 8.0, 1e9
#: Largest component of a step: of a logarithm, and of a turn in degrees.
FARTHEST = {"log": 0.7, "turn": 2.0}


@dataclass(frozen=True)
class Progress:
    """One step of a refinement, as its callback gets it.

    Attributes:
        step: number of the step, from 1 on.
        most: largest number of steps.
        loss: minus the logarithm of the likelihood, up to a constant.
        decrease: decrease of the loss that the next step promises.
        farthest: largest component of the next step in standard errors.
        seconds: seconds since the start.
        seconds_left: seconds until ``most`` steps are made, at the present pace.
        state: values of the free quantities.
    """

    step: int
    most: int
    loss: float
    decrease: float
    farthest: float
    seconds: float
    seconds_left: float
    state: dict[str, float]


@dataclass
class Scoring:
    """End of a refinement.

    Attributes:
        point: the best point found.
        kept: True for each coordinate that the data determine.
        converged: the criteria of the end hold.
        reason: why it ended, in words.
        interrupted: the keyboard ended it.
        steps: number of steps, refused ones included.
        history: one entry a step.
    """

    point: Point
    kept: list[bool]
    converged: bool
    reason: str
    interrupted: bool = False
    steps: int = 0
    history: list[Progress] = field(default_factory=list)


def scored(
    problem: Problem,
    start: Point,
    held: frozenset[str] = frozenset(),
    max_steps: int = 50,
    progress: Callable[[Progress], None] | None = None,
    before: int = 0,
    near: float = STEP,
) -> Scoring:
    """Refine until the next step is short: by the matrix of all coordinates, and in each of them by its standard error.

    But for what a background adds to it by itself, the loss would then decrease by less than near**2; the likelihood at
    the truth is below its greatest by about half the number of coordinates.

    An interruption by the keyboard keeps the best point so far.

    Args:
        problem: counts and model.
        start: its evaluation at the start.
        held: names of coordinates that stay where they are.
        max_steps: largest number of steps.
        progress: called after each step.
        before: steps that were made earlier.
        near: step in standard errors at which it ends.
    """
    found = Scoring(start, _kept(problem, start, held), False, "")
    began, damping, least, idle, slow = time.monotonic(), FIRST, float("inf"), 0, 0
    try:
        while True:
            point = found.point
            found.kept = _kept(problem, point, held)
            _, decrease, farthest = newton_step(problem, point, found.kept, 0.0)
            _tell(found, progress, before, max_steps, began, decrease, farthest)
            # A background that falls to nothing takes ever shorter steps, which no other quantity feels.
            own = decrease - point.background_decrease
            if own < near**2 and farthest < near and point.background_decrease < JUMP:
                found.converged, found.reason = True, "converged"
                return found
            idle, least = (0, decrease) if decrease < 0.5 * least else (idle + 1, least)
            if farthest < UNSETTLED and idle > PATIENCE:
                found.converged, found.reason = True, _settled(farthest)
                return found
            if before + found.steps >= max_steps:
                found.reason = (
                    f"not converged in {max_steps} steps: the next would still lower -log L by {decrease:.2g}"
                )
                return found
            damping = _improved(problem, found, damping, max_steps - before)
            slow = slow + 1 if point.loss - found.point.loss < CRAWL * decrease else 0
            if damping > LARGEST or (slow > PATIENCE and farthest > UNSETTLED):
                found.reason, found.converged = _stuck(decrease, farthest), farthest < UNSETTLED
                return found
    except KeyboardInterrupt:
        found.interrupted = True
        found.reason = f"interrupted after {before + found.steps} steps: the best so far"
        return found


def _stuck(decrease: float, farthest: float) -> str:
    if farthest < UNSETTLED:
        return _settled(farthest)
    return f"no step lowers -log L, though the model promises {decrease:.2g} ({farthest:.2g} standard errors)"


def _settled(farthest: float) -> str:
    return f"converged to {farthest:.1g} standard errors, as near as the jumps of the image let it"


def _improved(problem: Problem, found: Scoring, damping: float, most: int) -> float:
    """Make the next step with ever more damping until one lowers the loss; returns the damping for the one after."""
    point = found.point
    while damping <= LARGEST and found.steps < most:
        step, decrease, _ = newton_step(problem, point, found.kept, damping)
        found.steps += 1
        state = problem.model.parameters.moved(point.state, step)
        try:
            trial = problem.at(state, problem.moved(point, step, damping))
        except ValueError:  # a step to where there is no crystal, or no detector
            damping *= RAISED
            continue
        gained = point.loss - trial.loss
        if gained > 0 or _settles(problem, found, trial, decrease):
            found.point = trial
            return max(damping * EASED, 1e-12) if gained > 0.25 * decrease else damping
        damping *= RAISED
        if decrease < 1e-3 * JUMP and damping > 1:  # a shorter step would only find the next jump
            return damping * EASED
    return damping if found.steps >= most else 2 * LARGEST


def _settles(problem: Problem, found: Scoring, trial: Point, decrease: float) -> bool:
    """True where a short step brings the score nearer to zero, though the likelihood did not grow.

    Structure factors are those of the nearest reflection, so that an image jumps where a sample comes nearer to
    another. Jumps are part of the likelihood and not of its slope: near the end the score decides.
    """
    return decrease < JUMP and newton_step(problem, trial, found.kept, 0.0)[1] < 0.5 * decrease


def newton_step(problem: Problem, point: Point, kept: list[bool], damping: float) -> tuple[Tensor, float, float]:
    """Step (p,) of the coordinates that are kept, the decrease that it promises, and its size in standard errors.

    Coordinates at a bound that the step would cross stay there.
    """
    parameters = problem.model.parameters
    step, free = torch.zeros_like(point.gradient), list(kept)
    size = 0.0
    for _ in range(len(kept) + 1):
        chosen = torch.tensor([i for i, keep in enumerate(free) if keep], dtype=torch.long)
        step = torch.zeros_like(point.gradient)
        if not len(chosen):
            break
        matrix = point.matrix[chosen][:, chosen]
        damped = matrix + damping * torch.diag(torch.diagonal(matrix))
        everything = [True] * len(chosen)
        step[chosen] = -normal_matrix.covariance(damped, everything) @ point.gradient[chosen]
        errors = torch.sqrt(torch.diagonal(normal_matrix.covariance(matrix, everything)))
        size = float((step[chosen] / errors).abs().max())
        crossing = parameters.at_bounds(point.state, step)
        if not any(free[i] and crosses for i, crosses in enumerate(crossing)):
            break
        free = [keep and not crosses for keep, crosses in zip(free, crossing, strict=True)]
    step = _shortened(problem, step)
    decrease = -float(point.gradient @ step) - 0.5 * float(step @ point.matrix @ step) + point.background_decrease
    return step, decrease, size


def _shortened(problem: Problem, step: Tensor) -> Tensor:
    """The step, in the same direction, with no component beyond the farthest."""
    return step / excess(step, problem.model.parameters.coordinates)


def excess(step: Tensor, coordinates: Sequence[Coordinate]) -> float:
    """Factor by which the component of a step (p,) that goes farthest too far does so; 1 where none does."""
    kinds = [each.kind for each in coordinates]
    over = [abs(part) / FARTHEST[kind] for part, kind in zip(step.tolist(), kinds, strict=True) if kind in FARTHEST]
    return float(max([1.0, *over]))


def _kept(problem: Problem, point: Point, held: frozenset[str]) -> list[bool]:
    names = problem.model.parameters.names
    free = [i for i, name in enumerate(names) if name not in held]
    kept = [False] * len(names)
    chosen = torch.tensor(free, dtype=torch.long)
    found = normal_matrix.determined([names[i] for i in free], point.matrix[chosen][:, chosen])
    for i, keep in zip(free, found, strict=True):
        kept[i] = keep
    return kept


def _tell(
    found: Scoring,
    progress: Callable[[Progress], None] | None,
    before: int,
    most: int,
    began: float,
    decrease: float,
    farthest: float,
) -> None:
    made, seconds = before + found.steps, time.monotonic() - began
    left = seconds / found.steps * max(most - made, 0) if found.steps else 0.0
    told = Progress(made, most, found.point.loss, decrease, farthest, seconds, left, dict(found.point.state))
    found.history.append(told)
    if progress is not None:
        progress(told)
