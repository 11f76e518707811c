"""A loss over a range of one quantity, with the tangent that autograd gives."""

from dataclasses import dataclass

import torch

from nanobrag_torch.quantities import quantity
from nanobrag_torch.scenario import Scenario


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


def scan(scenario: Scenario, name: str, width: float | None = None, points: int = 41) -> Scan:
    """Scan of a loss along one quantity, never beyond the bounds of the quantity.

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
    with torch.no_grad():
        losses = [float(scenario({name: torch.tensor(x, dtype=torch.float64)})) for x in positions]
    leaves = scenario.leaves([name])
    loss = scenario(leaves)
    slope = None
    if loss.requires_grad:
        (gradient,) = torch.autograd.grad(loss, list(leaves.values()), allow_unused=True)
        slope = None if gradient is None else float(gradient)
    return Scan(row.label, row.unit, tuple(positions), tuple(losses), at, float(loss.detach()), slope)
