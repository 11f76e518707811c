"""Subjects of an exploration: a scenario, or any function of numbers, each asked in the same words."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from nanobrag_torch.doctor import DoctorError, GradientReport, diagnose, sensitivities
from nanobrag_torch.scenario import Scenario
from nanobrag_torch.trace import trace_pixel
from nanobrag_torch.units import m_to_angstrom
from nanobrag_torch.workbook.explorer.controls import Control, controls_of_function, controls_of_scenario

Numbers = Mapping[str, float]


class Explored(Protocol):
    """A loss as a function of numbers, with an image on the way where there is one."""

    @property
    def controls(self) -> tuple[Control, ...]:
        """Controls of all its numbers."""

    @property
    def free(self) -> tuple[str, ...]:
        """Names that carry a gradient at the start."""

    def evaluate(self, values: Mapping[str, Tensor]) -> tuple[Tensor | None, Tensor]:
        """Image (slow, fast), None where there is none, and the loss, 0-d, connected to the values."""

    def diagnose(self, values: Numbers, free: tuple[str, ...]) -> GradientReport:
        """The doctor's report on the gradients by the free numbers."""

    def sensitivity(self, values: Numbers, name: str) -> Tensor | None:
        """Derivative of the image (slow, fast) by one number; None without an image."""

    def place(self, values: Numbers, slow: int, fast: int) -> str:
        """Words for a pixel, beside its value."""


@dataclass(frozen=True)
class ExploredScenario:
    """A scenario that is explored, whatever of its quantities is moved.

    Attributes:
        scenario: the scenario at the start.
        hkl: file of its structure factors, None where it has none.
    """

    scenario: Scenario
    hkl: Path | None = None

    @property
    def controls(self) -> tuple[Control, ...]:
        """Controls of all quantities that have a value."""
        return controls_of_scenario(self.scenario)

    @property
    def free(self) -> tuple[str, ...]:
        """The scenario's own names."""
        return self.scenario.names

    def at(self, values: Numbers, free: tuple[str, ...] = ()) -> Scenario:
        """The scenario with these values, and these names where any are given; sub-pixels as at the start."""
        detector = {"oversample": self.scenario.oversample()}
        moved = self.scenario.changed(detector=detector).at(values)
        for name in ("crystal", "detector", "beam"):
            getattr(moved, name).validate()
        return replace(moved, names=free or moved.names)

    def evaluate(self, values: Mapping[str, Tensor]) -> tuple[Tensor | None, Tensor]:
        """Image in photons, and its loss."""
        image = self.scenario.image({name: value.to(self.scenario.device) for name, value in values.items()})
        return image, self.scenario.loss(image)

    def diagnose(self, values: Numbers, free: tuple[str, ...]) -> GradientReport:
        """The doctor's quick report."""
        return diagnose(self.at(values, free), quick=True)

    def sensitivity(self, values: Numbers, name: str) -> Tensor | None:
        """Derivative in photons per unit of the quantity, by forward mode through the formula."""
        return next(iter(sensitivities(self.at(values, (name,))).values()), None)

    def place(self, values: Numbers, slow: int, fast: int) -> str:
        """Miller indices of the middle of a pixel, and its resolution."""
        simulator = self.at(values).changed(detector={"oversample": 1}).simulator()
        traced = trace_pixel(simulator, slow, fast)
        indices = ", ".join(f"{index:.2f}" for index in traced.hkl)
        resolution = m_to_angstrom(0.5 / traced.stol) if traced.stol else math.inf
        return f"hkl {indices}; {resolution:.3f} Å"


@dataclass(frozen=True)
class ExploredFunction:
    """A function of a dict of 0-d tensors that gives a loss or, where ``loss`` is given, an image.

    Attributes:
        function: the function.
        params: values at the start, by name.
        loss: reduces an image to the loss.
    """

    function: Callable[[dict[str, Tensor]], Tensor]
    params: Numbers
    loss: Callable[[Tensor], Tensor] | None = None

    @classmethod
    def of(
        cls, function: Callable[[dict[str, Tensor]], Tensor], params: Mapping[str, Any], loss: Any = None
    ) -> "ExploredFunction":
        """Explored function. Raises ``ValueError`` where a parameter is no single number."""
        numbers = {}
        for name, value in params.items():
            tensor = torch.as_tensor(value)
            if tensor.numel() != 1 or tensor.is_complex() or tensor.dtype is torch.bool:
                raise ValueError(
                    f"explore, params[{name!r}]: must be one real number or a tensor of one element, which a slider "
                    "can move. Bind larger tensors in the function, and name the numbers that move them."
                )
            numbers[name] = float(tensor.detach())
        if not numbers:
            raise ValueError("explore, params: must name one number or more. Give {'name': value}.")
        return cls(function, numbers, loss)

    @property
    def controls(self) -> tuple[Control, ...]:
        """Controls of all parameters."""
        return controls_of_function(self.params)

    @property
    def free(self) -> tuple[str, ...]:
        """All parameters."""
        return tuple(self.params)

    def evaluate(self, values: Mapping[str, Tensor]) -> tuple[Tensor | None, Tensor]:
        """Image where the function gives one of two dimensions, and the loss."""
        output = self.function(dict(values))
        loss = output if self.loss is None else self.loss(output)
        if not isinstance(loss, Tensor) or loss.numel() != 1:
            raise DoctorError("the function must give a tensor of one element, or explore(..., loss=) reduce it to one")
        image = output if self.loss is not None and output.ndim == 2 else None
        return image, loss.reshape(())

    def diagnose(self, values: Numbers, free: tuple[str, ...]) -> GradientReport:
        """The doctor's report."""
        fixed = {name: torch.tensor(value, dtype=torch.float64) for name, value in values.items()}

        def of_free(moved: dict[str, Tensor]) -> Tensor:
            return self.function({**fixed, **moved})

        return diagnose(of_free, {name: fixed[name] for name in free}, loss=self.loss, quick=True)

    def sensitivity(self, values: Numbers, name: str) -> Tensor | None:
        """Derivative of the image by one parameter, in forward mode."""
        point = {each: torch.tensor(value, dtype=torch.float64) for each, value in values.items()}

        def of_one(moved: Tensor) -> Tensor:
            return self.function({**point, name: moved})

        moved: Tensor = torch.func.jvp(of_one, (point[name],), (torch.ones((), dtype=torch.float64),))[1]
        return moved if self.loss is not None and moved.ndim == 2 else None

    def place(self, values: Numbers, slow: int, fast: int) -> str:
        """Nothing is known of a pixel."""
        return ""
