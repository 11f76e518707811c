"""Free parameters as a vector of steps: logarithms, turns of the crystal, ties, symmetry and bounds."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from nanobrag_torch.quantities import quantity
from nanobrag_torch.refine.orientation import angles_by_turns, angles_of, matrix_of
from nanobrag_torch.refine.symmetry import CellSymmetry, cell_symmetry
from nanobrag_torch.scenario import Scenario
from nanobrag_torch.validation import check_range, fail

MISSET = tuple(f"crystal.misset_deg[{i}]" for i in range(3))
#: Turns of the crystal about the laboratory axes, which stand for the misset where all three of its angles are free.
TURNS = tuple(f"crystal.turn_deg[{i}]" for i in range(3))

#: Beginnings of the names of quantities that are positive, and refined by their logarithm.
POSITIVE = ("crystal.N_cells", "crystal.mosaic_spread_deg", "crystal.mosaic_eta_deg", "crystal.fudge", "beam.fluence")

#: Values by name, in the quantities' units.
State = Mapping[str, float]

#: Difference of two values that symmetry makes equal which is rounding.
EQUAL = 1e-6


@dataclass(frozen=True)
class Coordinate:
    """One component of a step.

    Attributes:
        name: the quantity that it moves, or the turn.
        kind: "linear" in the quantity's unit, "log" of the quantity, "turn" in degrees.
        low: least value of the quantity.
        high: largest value of it.
    """

    name: str
    kind: str
    low: float = -math.inf
    high: float = math.inf

    def slope(self, state: State) -> float:
        """Derivative of the quantity by the coordinate."""
        return state[self.name] if self.kind == "log" else 1.0

    def moved(self, value: float, step: float) -> float:
        """Value of the quantity after a step, within its bounds."""
        new = value * math.exp(step) if self.kind == "log" else value + step
        return min(max(new, self.low), self.high)


@dataclass(frozen=True)
class Parameters:
    """Free parameters of a refinement.

    Attributes:
        coordinates: components of a step, p of them.
        ties: a quantity to the free one that it equals.
        fixed: names that symmetry fixes, and their values.
    """

    coordinates: tuple[Coordinate, ...]
    ties: dict[str, str]
    fixed: dict[str, float]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the coordinates."""
        return tuple(each.name for each in self.coordinates)

    @property
    def turning(self) -> bool:
        """True where the crystal is turned about the laboratory axes."""
        return TURNS[0] in self.names

    @property
    def quantities(self) -> tuple[str, ...]:
        """Names of the free quantities, one for each coordinate: misset angles where the coordinates are turns."""
        return tuple(dict(zip(TURNS, MISSET, strict=True)).get(name, name) for name in self.names)

    def without(self, names: Sequence[str]) -> "Parameters":
        """The parameters without some quantities and what is tied to them: these stay as the scenario has them."""
        kept = tuple(each for each in self.coordinates if each.name not in names)
        return Parameters(kept, {tied: root for tied, root in self.ties.items() if root not in names}, self.fixed)

    def leaves(self, state: State) -> tuple[dict[str, Tensor], list[Tensor]]:
        """Tensors for :meth:`nanobrag_torch.Scenario.simulator`, and those by which to differentiate.

        Args:
            state: values of the free quantities.

        Returns:
            Values by name, ties included, and a leaf for each coordinate; those of turns are None in the first sense:
            one leaf (3,) in radians at the place of the first of them.
        """
        values = {name: torch.tensor(value, dtype=torch.float64) for name, value in {**state, **self.fixed}.items()}
        tracked = [
            torch.zeros(3, dtype=torch.float64) if each.kind == "turn" else values[each.name]
            for each in self.coordinates
            if each.name not in TURNS[1:]
        ]
        for leaf in tracked:
            leaf.requires_grad_()
        return values | {tied: values[root] for tied, root in self.ties.items()}, tracked

    def slopes(self, state: State) -> Tensor:
        """Factors (p,) that make derivatives by the leaves those by the coordinates."""
        turn = math.radians(1.0)
        factors = [turn if each.kind == "turn" else each.slope(state) for each in self.coordinates]
        return torch.tensor(factors, dtype=torch.float64)

    def moved(self, state: State, step: Tensor) -> dict[str, float]:
        """State after a step (p,), within the bounds."""
        new = dict(state)
        by_name = dict(zip(self.names, step.tolist(), strict=True))
        for each in self.coordinates:
            if each.kind != "turn":
                new[each.name] = each.moved(state[each.name], by_name[each.name])
        if self.turning:
            turn = torch.tensor([by_name[name] for name in TURNS], dtype=torch.float64)
            angles = torch.tensor([state[name] for name in MISSET], dtype=torch.float64)
            new |= dict(zip(MISSET, angles_of(matrix_of(turn) @ matrix_of(angles)).tolist(), strict=True))
        return new

    def by_coordinates(self, state: State) -> Tensor:
        """Derivative (p, p) of the free quantities by the coordinates; NaN for misset angles without one."""
        matrix = torch.diag(
            torch.tensor([1.0 if c.kind == "turn" else c.slope(state) for c in self.coordinates], dtype=torch.float64)
        )
        if self.turning:
            first = self.names.index(TURNS[0])
            found = angles_by_turns(torch.tensor([state[name] for name in MISSET], dtype=torch.float64))
            matrix[first : first + 3, first : first + 3] = torch.nan if found is None else found
        return matrix

    def at_bounds(self, state: State, downhill: Tensor) -> list[bool]:
        """True for each coordinate whose quantity is at a bound that a step along ``downhill`` (p,) would cross."""
        return [
            each.kind != "turn"
            and ((state[each.name] <= each.low and slope < 0) or (state[each.name] >= each.high and slope > 0))
            for each, slope in zip(self.coordinates, downhill.tolist(), strict=True)
        ]


def parameters_of(
    scenario: Scenario,
    ties: Mapping[str, str] | None = None,
    system: str | None = None,
    space_group: str | None = None,
    bounds: Mapping[str, tuple[float, float]] | None = None,
) -> tuple[Parameters, dict[str, float]]:
    """Parameters of a scenario, and their state at its start.

    Args:
        scenario: its names are free.
        ties: a quantity to the one that it is to equal.
        system: crystal system, which ties and fixes constants of the cell.
        space_group: space group, in its place.
        bounds: least and largest value by name.

    Raises:
        ValueError: a tie, bound or symmetry contradicts another, the names or the start.
    """
    names, bounds = scenario.names, dict(bounds or {})
    symmetry = cell_symmetry(system, space_group)
    cell = [name for name in names if name.startswith("crystal.cell_")]
    if not cell:
        symmetry = CellSymmetry({}, {})
    given = dict(ties or {})
    roots = _roots({**symmetry.ties, **given}, symmetry.fixed, names)
    _check_start(scenario, roots, symmetry.fixed)
    free = [name for name in names if name not in roots and name not in symmetry.fixed]
    if not free:
        allowed = "free quantities, of which symmetry leaves some"
        raise fail("refine", "names", names, allowed, "Free the constants that the system does not fix.")
    _check_bounds(scenario, bounds, free)
    turning = set(MISSET) <= set(free) and not set(MISSET) & ({*roots.values()} | {*bounds})
    if scenario.crystal.misset_random and any(name in MISSET for name in free):
        remedy = "Draw the angles first and give them as misset_deg."
        raise fail("CrystalConfig", "misset_random", True, "False where the misset is refined", remedy)
    kept = [name for name in free if not (turning and name in MISSET)]
    coordinates = [_coordinate(name, bounds, scenario.value(name)) for name in kept]
    if turning:
        coordinates += [Coordinate(name, "turn") for name in TURNS]
    state = {name: scenario.value(name) for name in free}
    return Parameters(tuple(coordinates), roots, dict(symmetry.fixed)), state


def _coordinate(name: str, bounds: Mapping[str, tuple[float, float]], value: float) -> Coordinate:
    row = quantity(name)
    low, high = bounds.get(name, (row.low, row.high))
    positive = name.startswith(POSITIVE)
    if positive and value <= 0:
        remedy = "Its logarithm is refined: start from what you expect."
        raise fail("refine", name, value, "greater than 0 at the start", remedy)
    return Coordinate(name, "log" if positive else "linear", max(low, row.low), min(high, row.high))


def _roots(ties: Mapping[str, str], fixed: Mapping[str, float], names: Sequence[str]) -> dict[str, str]:
    """The free quantity that each tied one follows in the end."""
    found = {}
    for tied in ties:
        row, root, seen = quantity(tied), ties[tied], {tied}
        while root in ties and root not in seen:
            seen.add(root)
            root = ties[root]
        if root in seen:
            raise fail("refine", "ties", dict(ties), "without a circle", f"{tied} would follow itself.")
        if quantity(root).unit != row.unit:
            allowed = f"a quantity in {row.unit or 'no unit'}"
            raise fail("refine", f"ties[{tied!r}]", root, allowed, "Only like can equal like.")
        if tied in fixed or root in fixed:
            allowed = "a quantity that symmetry leaves free"
            raise fail("refine", f"ties[{tied!r}]", root, allowed, "Leave the tie or the symmetry out.")
        if root not in names:
            raise fail("refine", f"ties[{tied!r}]", root, "one of the scenario's names", f"Add {root} to the names.")
        found[tied] = root
    return found


def _check_start(scenario: Scenario, roots: Mapping[str, str], fixed: Mapping[str, float]) -> None:
    """Raise ``ValueError`` where the start contradicts what is tied or fixed."""
    wanted = {tied: (scenario.value(root), root) for tied, root in roots.items()}
    wanted |= {name: (value, "its symmetry") for name, value in fixed.items()}
    for name, (value, because) in wanted.items():
        held = scenario.value(name)
        if abs(held - value) > EQUAL * max(1.0, abs(value)):
            allowed = f"{value:g} at the start, as {because} asks for"
            raise fail("refine", name, held, allowed, "Change the start, or the ties and the symmetry.")


def _check_bounds(scenario: Scenario, bounds: Mapping[str, tuple[float, float]], free: Iterable[str]) -> None:
    for name, pair in bounds.items():
        if name not in free:
            raise fail(
                "refine", "bounds", name, f"one of the free names {', '.join(free)}", "Free it, or drop the bound."
            )
        low, high = pair
        if not low < high:
            raise fail("refine", f"bounds[{name!r}]", pair, "two numbers, the lower one first", "")
        check_range("refine", f"{name} (bounds)", scenario.value(name), low, high, remedy="Start within the bounds.")
