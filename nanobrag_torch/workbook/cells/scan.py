"""A loss over a range of one quantity, with the tangent that autograd gives."""

from dataclasses import dataclass

import torch

from nanobrag_torch.quantities import quantity
from nanobrag_torch.scenario import Scenario
from nanobrag_torch.workbook.show import progress


@dataclass(frozen=True)
class Scan:
    """A loss over a range of one quantity, and its tangent where the gradient was taken."""

    label: str
    unit: str
    positions: tuple[float, ...]
    losses: tuple[float, ...]
    at: float
    loss: float
    slope: float | None
    whole: bool = True
    """False where an interruption ended it before the end of the range."""


def scan(scenario: Scenario, name: str, width: float | None = None, points: int = 41) -> Scan:
    """Scan of a loss along one quantity, never beyond the bounds of the quantity.

    An interruption keeps the values so far, and the tangent.

    Args:
        scenario: scenario whose loss is taken.
        name: quantity, such as "crystal.cell_a".
        width: distance to both sides, in the unit of the quantity (default: a change that matters).
        points: number of values, the ends included.
    """
    row, at = quantity(name), scenario.value(name)
    width = width or row.far_at(at)
    low, high = max(row.low, at - width), min(row.high, at + width)
    positions = [low + (high - low) * i / (points - 1) for i in range(points)]
    losses: list[float] = []
    with progress.shown(f"The loss over {row.label}") as work, torch.no_grad():
        for x in work.each(positions, lambda x: f"{x:.6g} {row.unit}".strip()):
            losses.append(float(scenario({name: torch.tensor(x, dtype=torch.float64)})))
    leaves = scenario.leaves([name])
    loss = scenario(leaves)
    slope = None
    if loss.requires_grad:
        (gradient,) = torch.autograd.grad(loss, list(leaves.values()), allow_unused=True)
        slope = None if gradient is None else float(gradient)
    value, done = float(loss.detach()), len(losses)
    taken = tuple(positions[:done]) or (at,)
    return Scan(row.label, row.unit, taken, tuple(losses) or (value,), at, value, slope, whole=done == points)
