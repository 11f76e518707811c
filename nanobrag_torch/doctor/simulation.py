"""Scenarios of the simulator as subjects of a diagnosis: the one module that loads the simulator."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..compat import PRESETS
from ..scenario import Scenario
from . import dark_image, inert_parameters, stages
from .measure import forward_derivatives
from .observation import SharedFacts
from .records import Revival, Stage
from .subject import Coordinate, ModelFunction, Subject


@dataclass(frozen=True)
class ScenarioSimulation:
    """Answers of a scenario to what a diagnosis asks of a simulation (``subject.Simulation``)."""

    scenario: Scenario

    def image(self, values: dict[str, Tensor]) -> Tensor:
        """Image (spixels, fpixels) with these values, in photons."""
        return self.scenario.image(values)

    def cast(self, dtype: torch.dtype) -> "ScenarioSimulation":
        """The scenario in another precision."""
        return ScenarioSimulation(replace(self.scenario, dtype=dtype))

    def revivals(self, count: Callable[[], None]) -> tuple[Revival, ...]:
        """Smallest changes that light up a dark image."""
        return dark_image.revivals(self.scenario, count)

    def modes(self) -> dict[str, ModelFunction]:
        """Image as a function of the values in every mode of the physics."""
        return {name: replace(self.scenario, compat=name).image for name in PRESETS}

    def inert_because(self, name: str) -> str | None:
        """Option that makes a quantity inert, in words."""
        return inert_parameters.reason(self.scenario, name)

    def stage_of(self, source: str | None) -> str | None:
        """Step of the physics at a source line."""
        return stages.stage_of(source)

    def stages(self, shared: SharedFacts) -> tuple[Stage, ...]:
        """Signal at every step of the physics."""
        return stages.stages(self.scenario, shared)


def subject_of_scenario(
    scenario: Scenario,
    loss: Callable[[Tensor], Tensor] | None = None,
    steps: Mapping[str, float] | None = None,
) -> Subject:
    """Make a subject of a scenario.

    Args:
        scenario: its image, loss, and the quantities to differentiate by.
        loss: reduces the image to one element; None for the scenario's own.
        steps: first steps of finite differences by name, in the quantity's unit.
    """
    scenario, steps = replace(scenario, loss=loss or scenario.loss), steps or {}
    values = {name: leaf.detach() for name, leaf in scenario.leaves().items()}
    coordinates = []
    for row in scenario.quantities:
        value = scenario.value(row.name)
        coordinates.append(
            Coordinate(
                row.name, row.name, row.label, row.unit, value, torch.ones(()), steps.get(row.name, row.step_at(value)),
                row.far_at(value), row.low, row.high,
            )
        )  # fmt: skip
    return Subject(
        name="scenario",
        function=scenario.image,
        loss=scenario.loss,
        values=values,
        coordinates=tuple(coordinates),
        leaf=dict.fromkeys(values, True),
        dtype=scenario.dtype,
        simulation=ScenarioSimulation(scenario),
    )


def sensitivities(scenario: Scenario) -> dict[str, Tensor]:
    """Derivatives of an image by the quantities of a scenario, in forward mode.

    Args:
        scenario: the scenario; its ``names`` say by which quantities.

    Returns:
        Derivatives (spixels, fpixels) by each quantity, by its label ("a", "distance"), on the CPU, in photons per unit
        of the quantity. A quantity is left out where an operation has no rule for it.

    Raises:
        DoctorError: no image can be computed from the scenario.

    Example:
        ```python
        images = sensitivities(scenario)
        images["a"].shape  # (scenario.detector.spixels, scenario.detector.fpixels)
        ```
    """
    subject = subject_of_scenario(scenario)
    shape = (scenario.detector.spixels, scenario.detector.fpixels)
    found = {}
    for coordinate in subject.coordinates:
        _, tangent = forward_derivatives(subject, coordinate)
        if tangent is not None:
            found[coordinate.label] = tangent.reshape(shape).cpu()
    return found
