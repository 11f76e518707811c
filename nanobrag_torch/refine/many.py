"""Refinement of many stills with what they share: steps of all together, still by still in other processes if asked."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, as_completed
from dataclasses import dataclass, field, replace
from os import PathLike
from typing import Any

import torch
from torch import Tensor

from nanobrag_torch.refine import joint
from nanobrag_torch.refine.call import UNEXPLAINED, prepared, refine
from nanobrag_torch.refine.fit import FINE, Fit, of_all_pixels
from nanobrag_torch.refine.goodness import BY_CHANCE, Goodness
from nanobrag_torch.refine.journal import Journal
from nanobrag_torch.refine.many_result import ManyResult, Member, result_of_many
from nanobrag_torch.refine.model import scenario_at
from nanobrag_torch.refine.parameters import Parameters, State, parameters_of
from nanobrag_torch.refine.problem import Point, restrained
from nanobrag_torch.refine.scoring import EASED, FIRST, LARGEST, RAISED, STEP, UNSETTLED, Scoring, excess
from nanobrag_torch.scenario import Scenario
from nanobrag_torch.validation import check_count, fail

#: Evaluations that settle coefficients of a background that is refined along.
SETTLING = 3
#: Rounds without half the promised decrease of those before, after which jumps of the images are the reason.
PATIENCE = 2
#: Steps of a still by itself, where nothing else is said: with shared quantities that are a little off it need not end.
ALONE = 20
#: Part of a pattern that a still by itself may leave unexplained and yet take part.
HOPELESS = 0.5
#: Options of :func:`refine` that make no sense for many stills.
_NOT_HERE = ("structure_factors", "progress", "robust")


@dataclass(frozen=True)
class ManyProgress:
    """Progress of a refinement of many stills.

    Attributes:
        phase: "stills" while each is refined by itself, "together" after.
        done: stills that are ready in this phase, or rounds that were made.
        of: stills in all, or the largest number of rounds.
        loss: minus the logarithm of the likelihood of all stills, up to a constant; NaN in the first phase.
        farthest: largest component of the next step in standard errors; NaN in the first phase.
        seconds: seconds since the start.
        seconds_left: seconds that the phase may take yet, at the present pace.
    """

    phase: str
    done: int
    of: int
    loss: float
    farthest: float
    seconds: float
    seconds_left: float


@dataclass(frozen=True)
class Still:
    """All that a worker needs to know of one still.

    Attributes:
        scenario: its names are free, the shared ones among them.
        counts: its image, or what returns it when it is called, in the worker.
        background: as for :func:`refine`.
        shared: names that all stills share.
        options: further arguments of :func:`refine`.
    """

    scenario: Scenario
    counts: Any
    background: Any
    shared: tuple[str, ...]
    options: Mapping[str, Any]

    def image(self) -> Any:
        """The counts, read now where they are read at all."""
        return self.counts() if callable(self.counts) else self.counts

    def fit(self, reference: State) -> tuple[Fit, Tensor]:
        """The fit at a state, and the pixels (slow, fast) that matter there: the same whenever it is asked."""
        parameters, _ = _parameters(self)
        start = scenario_at(self.scenario, parameters, reference)
        keep = {name: value for name, value in self.options.items() if name not in ("capture", "unexplained")}
        fit, _ = prepared(start, self.image(), self.background, **keep)
        return fit, fit.lit_pixels(dict(reference), FINE)


def refine_many(
    scenarios: Sequence[Scenario],
    counts: Sequence[Any],
    shared: Sequence[str],
    background: Any = 0.0,
    *,
    restraints: Mapping[str, tuple[float, float]] | None = None,
    max_rounds: int = 30,
    journal: str | PathLike[str] | None = None,
    executor: Executor | None = None,
    progress: Callable[[ManyProgress], None] | None = None,
    **options: Any,
) -> ManyResult:
    """Refine many stills together: some quantities are the same in all, each still has the others for itself.

    Each still is first refined by itself with the shared quantities as they are, as far as it comes. Then all move
    together by Fisher scoring; what is a still's own is eliminated by Schur's complement, so that memory grows with the
    stills' own blocks alone and images stay where they are evaluated. A still that raises or that no model describes
    is left out, with the reason.

    Args:
        scenarios: the start of each still; its ``names`` are free and are its own, but for the shared ones.
        counts: for each its image as for :func:`refine`, or a function of no arguments that returns it, which the
            worker calls.
        shared: names of the quantities that are the same in all stills, with the same start, such as
            ``("detector.distance_mm",)``.
        background: as for :func:`refine`, for every still.
        restraints: expected value and standard deviation by name; of a shared quantity it counts once.
        max_rounds: largest number of rounds together.
        journal: file to keep what was done, a line for every still and round; the same call goes on from it.
        executor: where stills are evaluated: ``concurrent.futures.ProcessPoolExecutor()``, or for a cluster
            ``dask.distributed.Client(...).get_executor()``; None for here, one after another.
        progress: called with a :class:`ManyProgress`.
        options: further arguments of :func:`refine`, for every still.

    Returns:
        Shared values and those of every still, with standard errors that know of each other.

    Raises:
        ValueError: arguments contradict each other, a shared quantity starts from different values, or no still can be
            refined; the message tells of the first.
        OSError: the journal cannot be read or written.

    Example:
        ```python
        result = refine_many(scenarios, counts, shared=("detector.distance_mm",))
        result["detector.distance_mm"].value, result["detector.distance_mm"].sigma
        result.stills[7]["crystal.N_cells[0]"], result.left_out
        ```
    """
    check_count("refine_many", "max_rounds", max_rounds, remedy="Give a number of rounds.")
    stills = _stills(scenarios, counts, tuple(shared), background, dict(restraints or {}), options)
    run = _Run(stills, dict(restraints or {}), max_rounds, executor, progress)
    decisive = {**options, "background": background, "restraints": restraints or {}, "shared": run.shared}
    kept = Journal.of(journal, [still.scenario for still in stills], decisive)
    run.settle(kept)
    return run.together(kept)


def _stills(
    scenarios: Sequence[Scenario],
    counts: Sequence[Any],
    shared: tuple[str, ...],
    background: Any,
    restraints: dict[str, tuple[float, float]],
    options: Mapping[str, Any],
) -> list[Still]:
    for name in _NOT_HERE:
        if name in options:
            raise fail("refine_many", name, options[name], "left out", "Refine the stills one by one for that.")
    if not scenarios or len(scenarios) != len(counts):
        sizes = f"{len(scenarios)} scenarios and {len(counts)} images"
        raise fail("refine_many", "counts", sizes, "as many images as scenarios, one at least", "")
    if not shared:
        raise fail("refine_many", "shared", shared, "names of quantities", "Without any, use refine for each.")
    own = {name: pair for name, pair in restraints.items() if name not in shared}
    made = []
    for number, scenario in enumerate(scenarios):
        names = (*(name for name in scenario.names if name not in shared), *shared)
        still = Still(
            replace(scenario, names=names), counts[number], background, shared, {**options, "restraints": own}
        )
        parameters, _ = _parameters(still)
        for name in shared:
            if name not in parameters.names:
                allowed = "quantities that neither symmetry nor ties nor turns of the crystal stand for"
                raise fail("refine_many", "shared", name, allowed, "Share what is free.")
            first, here = scenarios[0].value(name), scenario.value(name)
            if first != here:
                allowed = f"{first:g} as in the first still"
                raise fail("refine_many", f"{name} of still {number}", here, allowed, "Start all from one value.")
        made.append(still)
    return made


def _parameters(still: Still) -> tuple[Parameters, dict[str, float]]:
    keep = {name: still.options.get(name) for name in ("ties", "system", "space_group", "bounds")}
    return parameters_of(still.scenario, **keep)


def settled(still: Still) -> dict[str, Any]:
    """Refine a still by itself, the shared quantities as they are: its state and what is held, or ``"left_out"``."""
    names = tuple(name for name in still.scenario.names if name not in still.shared)
    _, state = _parameters(still)
    if not names:
        return {"state": state, "held": []}
    try:
        own = replace(still.scenario, names=names)
        found = refine(own, still.image(), still.background, **{"max_steps": ALONE, **still.options}, residuals=0)
    except (ValueError, OSError) as error:
        return {"left_out": str(error)}
    if found.interrupted:  # the first Ctrl-C ends the still; here it is to end them all
        raise KeyboardInterrupt
    if not found.converged and not found.goodness.unexplained < HOPELESS:
        return {"left_out": found.reason}
    return {"state": {name: found.scenario.value(name) for name in state}, "held": list(found.held)}


def evaluated(still: Still, reference: State, state: State) -> tuple[float, Tensor, Tensor]:
    """Loss, gradient (p,) and normal matrix (p, p) of a still at a state, in the pixels that matter at another."""
    fit, chosen = still.fit(reference)
    point = _point(fit, chosen, state)
    return point.loss, point.gradient, point.matrix


def judged(still: Still, reference: State, state: State) -> Goodness:
    """Goodness of the model of a still at a state."""
    fit, chosen = still.fit(reference)
    point = _point(fit, chosen, state)
    return of_all_pixels(fit, Scoring(point, [True] * len(point.gradient), True, ""))[2]


def _point(fit: Fit, chosen: Tensor, state: State) -> Point:
    problem = fit.problem(chosen)
    point = problem.at(state, problem.start(state))
    for _ in range(SETTLING if isinstance(fit.background, str) else 0):
        point = problem.at(state, problem.moved(point, torch.zeros_like(point.gradient)))
    return point


@dataclass
class _Run:
    """A refinement of many stills under way."""

    stills: list[Still]
    restraints: dict[str, tuple[float, float]]
    max_rounds: int
    executor: Executor | None
    progress: Callable[[ManyProgress], None] | None
    members: dict[int, Member] = field(default_factory=dict)
    left_out: dict[int, str] = field(default_factory=dict)
    rounds: int = 0
    interrupted: bool = False
    began: float = field(default_factory=time.monotonic)

    @property
    def shared(self) -> tuple[str, ...]:
        return self.stills[0].shared

    def settle(self, kept: Journal) -> None:
        """Refine each still by itself, but for those that the journal knows."""
        known = dict(kept.stills)
        missing = [number for number in range(len(self.stills)) if number not in known]
        began = time.monotonic()
        for done, (number, found) in enumerate(self._each(settled, ((n, (self.stills[n],)) for n in missing)), 1):
            known[number] = found
            kept.still(number, found)
            pace = (time.monotonic() - began) / done
            self._tell("stills", len(known), len(self.stills), torch.nan, torch.nan, pace * (len(missing) - done))
        self.left_out = {n: found["left_out"] for n, found in sorted(known.items()) if "left_out" in found}
        for number, found in sorted(known.items()):
            if "left_out" not in found:
                parameters, _ = _parameters(self.stills[number])
                state = kept.states.get(number, found["state"])
                self.members[number] = Member(number, parameters, found["state"], state, tuple(found["held"]))
        if not self.members:
            first, why = next(iter(self.left_out.items()))
            raise ValueError(f"refine_many: no still can be refined. Still {first}: {why}")
        self.rounds = kept.rounds

    def together(self, kept: Journal) -> ManyResult:
        """Move all stills together until no step is worth making, and leave out those that do not fit in the end."""
        unexplained = float(self.stills[0].options.get("unexplained", UNEXPLAINED))
        while True:
            converged, reason, blocks, system = self._scored(kept)
            good = dict(
                self._each(judged, ((n, (self.stills[n], m.reference, m.state)) for n, m in self.members.items()))
            )
            bad = [n for n, each in good.items() if each.excess > BY_CHANCE and each.unexplained > unexplained]
            if not bad or not converged:
                break
            for number in bad:
                self.left_out[number] = (
                    f"{good[number].unexplained:.0%} of its pattern is unexplained beside the others"
                )
                kept.still(number, {"left_out": self.left_out[number]})
                del self.members[number]
            if not self.members:
                raise ValueError("refine_many: no still is described by what all share. Check what is shared.")
        return result_of_many(
            self.shared, [still.scenario for still in self.stills], self.members, self.left_out, blocks, system, good,
            converged, reason, self.rounds, self.interrupted,
        )  # fmt: skip

    def _scored(self, kept: Journal) -> tuple[bool, str, dict[int, joint.Block], joint.Joint]:
        """Rounds until an end: whether it converged, the reason, and the normal equations there."""
        blocks, damping, least, idle = self._blocks(self._states()), FIRST, float("inf"), 0
        while True:
            loss, ahead = self._solved(self._states(), blocks)
            left = self.max_rounds - self.rounds
            self._tell("together", self.rounds, self.max_rounds, loss, ahead.farthest, self._pace() * left)
            idle, least = (0, ahead.decrease) if ahead.decrease < 0.5 * least else (idle + 1, least)
            if ahead.decrease < STEP**2 * len(blocks) or ahead.farthest < STEP:
                return True, "converged", blocks, ahead
            if ahead.farthest < UNSETTLED and (idle > PATIENCE or damping > LARGEST):
                return True, f"converged to {ahead.farthest:.1g} standard errors", blocks, ahead
            promised = f"the model promises {ahead.decrease:.2g} of -log L ({ahead.farthest:.2g} standard errors)"
            if damping > LARGEST:
                return False, f"no step is better, though {promised}", blocks, ahead
            if left <= 0:
                return False, f"not converged in {self.max_rounds} rounds: {promised}", blocks, ahead
            _, step = self._solved(self._states(), blocks, damping)
            states = self._moved(step)
            self.rounds += 1
            try:
                trial = self._blocks(states)
            except KeyboardInterrupt:
                self.interrupted = True
                return False, f"interrupted after {self.rounds - 1} rounds: the best so far", blocks, ahead
            except ValueError:  # a step to where there is no crystal, or no detector
                damping *= RAISED
                continue
            after, behind = self._solved(states, trial)
            # Jumps of an image are in the likelihood and not in its slope: for short steps the score decides.
            nearer = behind.decrease < 0.5 * ahead.decrease and ahead.farthest < 10 * UNSETTLED
            if loss - after > 0 or nearer:
                blocks, damping = trial, max(damping * EASED, 1e-12)
                self.members = {n: replace(member, state=states[n]) for n, member in self.members.items()}
                kept.round(self.rounds, states)
            else:
                damping *= RAISED

    def _solved(
        self, states: Mapping[int, State], blocks: Mapping[int, joint.Block], damping: float = 0.0
    ) -> tuple[float, joint.Joint]:
        """Loss of all stills with the restraints, and the step from there."""
        loss, gradient, matrix = self._restrained(states)
        loss += sum(block.loss for block in blocks.values())
        return loss, joint.solved(self.shared, list(blocks.values()), gradient, matrix, damping)

    def _states(self) -> dict[int, dict[str, float]]:
        return {number: dict(member.state) for number, member in self.members.items()}

    def _blocks(self, states: Mapping[int, State]) -> dict[int, joint.Block]:
        tasks = ((n, (self.stills[n], member.reference, states[n])) for n, member in self.members.items())
        found = dict(self._each(evaluated, tasks))
        return {number: self.members[number].block(self.shared, *found[number]) for number in self.members}

    def _moved(self, step: joint.Joint) -> dict[int, dict[str, float]]:
        """States after a step, shortened for all alike where a component of one goes too far."""
        members = zip(self.members.values(), step.steps, strict=True)
        over = max(excess(own, member.parameters.coordinates) for member, own in members)
        return {
            number: member.parameters.moved(member.state, own / over)
            for (number, member), own in zip(self.members.items(), step.steps, strict=True)
        }

    def _restrained(self, states: Mapping[int, State]) -> tuple[float, Tensor, Tensor]:
        """Share of the restraints of shared quantities in loss, gradient and matrix."""
        member = next(iter(self.members.values()))
        own = {name: pair for name, pair in self.restraints.items() if name in self.shared}
        loss, gradient, matrix = restrained(member.parameters, own, states[member.number])
        places = [member.parameters.names.index(name) for name in self.shared]
        return loss, gradient[places], matrix[places][:, places]

    def _each(
        self, function: Callable[..., Any], tasks: Iterable[tuple[int, tuple[Any, ...]]]
    ) -> Iterator[tuple[int, Any]]:
        """Results of a function by the number of the still, as they come."""
        if self.executor is None:
            for number, arguments in tasks:
                yield number, function(*arguments)
            return
        waiting = {self.executor.submit(function, *arguments): number for number, arguments in tasks}
        for done in as_completed(waiting):
            yield waiting[done], done.result()

    def _pace(self) -> float:
        return (time.monotonic() - self.began) / max(self.rounds, 1)

    def _tell(self, phase: str, done: int, of: int, loss: float, farthest: float, left: float) -> None:
        if self.progress is not None:
            self.progress(ManyProgress(phase, done, of, loss, farthest, time.monotonic() - self.began, left))
