"""Result of a refinement of many stills: what they share, what each has for itself, and which were left out."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from nanobrag_torch.doctor import codec
from nanobrag_torch.io.files import written
from nanobrag_torch.quantities import quantity
from nanobrag_torch.refine import joint, normal_matrix
from nanobrag_torch.refine.goodness import Goodness
from nanobrag_torch.refine.model import scenario_at
from nanobrag_torch.refine.normal_matrix import OpenDirection
from nanobrag_torch.refine.parameters import Parameters, State
from nanobrag_torch.refine.result import RefinedParameter
from nanobrag_torch.scenario import Scenario

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True)
class Member:
    """A still that takes part.

    Attributes:
        number: its place among the stills.
        parameters: its coordinates, the shared ones among them.
        reference: state after it was refined by itself; the pixels that matter are those of this state.
        state: its state now.
        held: names of its own coordinates that the data left open as it was refined by itself.
    """

    number: int
    parameters: Parameters
    reference: State
    state: State
    held: tuple[str, ...] = ()

    def block(self, shared: Sequence[str], loss: float, gradient: Tensor, matrix: Tensor) -> joint.Block:
        """Its part of the normal equations, from what was evaluated."""
        names = self.parameters.names
        places = [names.index(name) for name in shared]
        own = [i for i, name in enumerate(names) if name not in shared and name not in self.held]
        kept = normal_matrix.determined([names[i] for i in own], matrix[own][:, own]) if own else []
        chosen = [i for i, keep in zip(own, kept, strict=True) if keep]
        return joint.Block(loss, gradient, matrix, torch.tensor(places), torch.tensor(chosen, dtype=torch.long))


@dataclass(frozen=True)
class StillResult:
    """A still at the end of :func:`refine_many`.

    Attributes:
        number: its place among the stills.
        parameters: one entry for each quantity of its own.
        goodness: how well the model describes its counts.
        scenario: its scenario at the end.
    """

    number: int
    parameters: tuple[RefinedParameter, ...]
    goodness: Goodness
    scenario: Scenario = field(repr=False)

    def __getitem__(self, name: str) -> RefinedParameter:
        """Parameter of that name. Raises ``KeyError`` for another."""
        return _found(self.parameters, name)


@dataclass(frozen=True)
class ManyResult:
    """Outcome of :func:`nanobrag_torch.refine.refine_many`.

    Attributes:
        converged: no step of all together is worth making. Where it is False there are no standard errors.
        reason: why it ended, in words.
        rounds: rounds that were made together.
        shared: one entry for each quantity that all share.
        stills: the stills that took part, by their places.
        left_out: the others, and why.
        null_directions: combinations of shared quantities that all stills together do not determine.
        covariance: covariance (m, m) of the shared quantities.
        interrupted: the keyboard ended it: the values are the best until then.
    """

    converged: bool
    reason: str
    rounds: int
    shared: tuple[RefinedParameter, ...]
    stills: dict[int, StillResult]
    left_out: dict[int, str]
    null_directions: tuple[OpenDirection, ...]
    covariance: Tensor = field(repr=False)
    interrupted: bool

    def __getitem__(self, name: str) -> RefinedParameter:
        """Shared parameter of that name. Raises ``KeyError`` for another."""
        return _found(self.shared, name)

    def table(self) -> "DataFrame":
        """A row for each still: values and standard errors of its own quantities, and how well it fits.

        Raises ``ImportError`` where pandas is missing.
        """
        import pandas

        rows = []
        for still in self.stills.values():
            row: dict[str, float] = {"still": still.number, "unexplained": still.goodness.unexplained}
            for each in still.parameters:
                row[each.name] = each.value
                row[f"{each.name} (sigma)"] = math.nan if each.sigma is None else each.sigma
            rows.append(row)
        return pandas.DataFrame(rows).set_index("still")

    def to_json(self, path: str | PathLike[str] | None = None) -> str:
        """Write the result as JSON, without scenarios; an old file stays as it is where that fails (``OSError``)."""
        stills = [
            {"still": each.number, "parameters": each.parameters, "goodness": each.goodness}
            for each in self.stills.values()
        ]
        text = codec.to_json(
            {
                "converged": self.converged, "interrupted": self.interrupted, "reason": self.reason,
                "rounds": self.rounds, "shared": self.shared,
                "stills": stills, "left_out": {str(number): why for number, why in self.left_out.items()},
                "null_directions": self.null_directions, "covariance": self.covariance.tolist(),
            }
        )  # fmt: skip
        return written(text, path)

    def __str__(self) -> str:
        state = "Converged" if self.converged else "Not converged"
        lines = [f"{state} ({self.reason}) in {self.rounds} rounds, {len(self.stills)} stills.", ""]
        width = max(len(each.label) for each in self.shared)
        lines += [f"{p.label.ljust(width)}  {p}  {p.unit}  {p.note}".rstrip() for p in self.shared]
        lines += [f"Not determined: {each.words}." for each in self.null_directions]
        lines += [f"Left out: still {number}: {why}." for number, why in self.left_out.items()]
        return "\n".join(lines)


def result_of_many(
    shared: Sequence[str],
    starts: Sequence[Scenario],
    members: Mapping[int, Member],
    left_out: Mapping[int, str],
    blocks: Mapping[int, joint.Block],
    system: joint.Joint,
    good: Mapping[int, Goodness],
    converged: bool,
    reason: str,
    rounds: int,
    interrupted: bool,
) -> ManyResult:
    """Put the end of a refinement of many stills into words.

    Args:
        shared: names that all share.
        starts: scenario of every still at its start.
        members: stills that took part.
        left_out: the others, and why.
        blocks: normal equations of the stills at the end.
        system: those of all.
        good: how well the stills fit.
        converged: as the result has it, as are the rest.
        reason: why it ended.
        rounds: rounds that were made.
        interrupted: the keyboard ended it.
    """
    first = next(iter(members.values()))
    coordinates = [first.parameters.coordinates[first.parameters.names.index(name)] for name in shared]
    slopes = torch.tensor([each.slope(first.state) for each in coordinates], dtype=torch.float64)
    covariance = system.covariance * slopes[:, None] * slopes
    null = tuple(normal_matrix.open_directions(list(shared), system.matrix))
    words = {name: each.words for each in null for name in each.components}
    told = []
    for i, name in enumerate(shared):
        sigma, note = _sigma(converged, system.kept[i], float(covariance[i, i]), words.get(name, ""))
        row = quantity(name)
        told.append(RefinedParameter(name, row.label, row.unit, starts[0].value(name), first.state[name], sigma, note))
    stills = {
        number: StillResult(
            number, _own(shared, starts[number], member, blocks[number], system, converged), good[number],
            scenario_at(starts[number], member.parameters, member.state),
        )
        for number, member in members.items()
    }  # fmt: skip
    return ManyResult(converged, reason, rounds, tuple(told), stills, dict(left_out), null, covariance, interrupted)


def _own(
    shared: Sequence[str], start: Scenario, member: Member, block: joint.Block, system: joint.Joint, converged: bool
) -> tuple[RefinedParameter, ...]:
    """Quantities of a still's own, in the order of its coordinates."""
    by = member.parameters.by_coordinates(member.state)
    covariance = by @ joint.covariance_of(block, system.covariance) @ by.T
    known = {*block.own.tolist(), *block.shared.tolist()}
    told = []
    for i, name in enumerate(member.parameters.quantities):
        if name not in shared:
            sigma, note = _sigma(converged, i in known, float(covariance[i, i]), "")
            row = quantity(name)
            told.append(RefinedParameter(name, row.label, row.unit, start.value(name), member.state[name], sigma, note))
    return tuple(told)


def _sigma(converged: bool, kept: bool, variance: float, why: str) -> tuple[float | None, str]:
    """Standard error, or None and the reason."""
    if not converged:
        return None, "no fit"
    if not kept:
        return None, f"held: {why or 'the data do not determine it beside the others'}"
    if not 0 < variance < math.inf:
        return None, "not an angle of its own where misset y is 90°"
    return math.sqrt(variance), ""


def _found(parameters: Sequence[RefinedParameter], name: str) -> RefinedParameter:
    for each in parameters:
        if each.name == name:
            return each
    raise KeyError(f"{name!r}: must be one of {', '.join(each.name for each in parameters)}")
