"""Controls of what is explored: a slider's range, step and unit for each quantity or parameter."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from nanobrag_torch.doctor.finite_difference import default_step
from nanobrag_torch.quantities import QUANTITIES, Quantity, quantity, value_in
from nanobrag_torch.scenario import Scenario

#: Groups of quantities by the first letters of their names; the first row that fits counts.
GROUPS = (
    ("crystal.cell_", "cell"),
    ("crystal.misset", "orientation"),
    ("crystal.phi", "orientation"),
    ("crystal.osc", "orientation"),
    ("crystal.", "crystal"),
    ("detector.", "detector"),
    ("beam.", "beam"),
)


@dataclass(frozen=True)
class Control:
    """A number that a slider moves.

    Attributes:
        name: name of the quantity or parameter.
        label: short name beside the slider.
        unit: unit of the value; empty for a number.
        group: heading under which it stands.
        value: value at the start.
        low: left end of the slider.
        high: right end of the slider.
        step: step of the slider.
        least: least value that may be typed.
        most: largest value that may be typed.
    """

    name: str
    label: str
    unit: str
    group: str
    value: float
    low: float
    high: float
    step: float
    least: float = -math.inf
    most: float = math.inf


def controls_of_scenario(scenario: Scenario) -> tuple[Control, ...]:
    """A control for each quantity that has a value in the configs, those of ``scenario.names`` first in their group."""
    held = [name for name in QUANTITIES if _is_held(scenario, QUANTITIES[name])]
    names = dict.fromkeys((*scenario.names, *held))
    made = [_control(quantity(name), scenario.value(name)) for name in names]
    order = {group: place for place, group in enumerate(dict.fromkeys(group for _, group in GROUPS))}
    return tuple(sorted(made, key=lambda control: order[control.group]))


def controls_of_function(params: Mapping[str, float]) -> tuple[Control, ...]:
    """A control for each parameter of a function, from zero to twice its value or from -1 to 1 beside zero."""
    return tuple(
        Control(name, name, "", "parameters", value, value - (abs(value) or 1), value + (abs(value) or 1),
                default_step(value))
        for name, value in params.items()
    )  # fmt: skip


def _is_held(scenario: Scenario, row: Quantity) -> bool:
    """A number stands in the config of that quantity, and decides the image."""
    if scenario.crystal.has_matrix and row.name.startswith("crystal.cell_"):
        return False
    config = getattr(scenario, row.config)
    return hasattr(config, row.field) and value_in(config, row) is not None


def _control(row: Quantity, value: float) -> Control:
    far = row.far_at(value)
    group = next(group for start, group in GROUPS if row.name.startswith(start))
    low, high = max(row.low, value - far), min(row.high, value + far)
    return Control(row.name, row.label, row.unit, group, value, low, high, row.step_at(value), row.low, row.high)
