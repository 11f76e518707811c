"""Scenarios: an image and a loss as functions of some quantities, everything else fixed."""

import copy
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from nanobrag_torch.compat import Compat
from nanobrag_torch.config import BeamConfig, CrystalConfig, DetectorConfig
from nanobrag_torch.eager import eager
from nanobrag_torch.models import Crystal
from nanobrag_torch.models.panels import detector_of
from nanobrag_torch.panels import PanelledDetectorConfig
from nanobrag_torch.quantities import CELL, Quantity, changed, quantity, value_in
from nanobrag_torch.simulator import Simulator
from nanobrag_torch.validation import fail

Values = Mapping[str, Tensor]


@dataclass(frozen=True)
class Scenario:
    """An image and a loss as functions of some quantities, everything else fixed.

    Each evaluation builds crystal, detector, beam and simulator anew, so that none remembers the one before it.
    Sub-pixels are counted once, at the configs as given: an automatic number would make the loss jump.

    Attributes:
        crystal: config of the crystal.
        detector: config of the detector, of one panel or many.
        beam: config of the beam.
        names: quantities of :data:`nanobrag_torch.quantities.QUANTITIES`, panels or groups that the image is a function
            of.
        loss: reduces the image (spixels, fpixels) to a 0-d tensor.
        compat: mode of the physics: "physical", "c", or any other of :mod:`nanobrag_torch.compat`.
        dtype: precision of the simulator.
        device: device of the simulator.
        hkl_data: structure factors (h, k, l) in electrons, None for ``default_F`` alone.
        hkl_metadata: least indices "h_min", "k_min" and "l_min" of ``hkl_data``.
        engine: engine of the simulator: "auto", "numba", "triton", "torch" or "formula".

    Raises:
        ValueError: a name is unknown, unset in its config, or given twice; or no name is given.

    Example:
        ```python
        crystal, detector = CrystalConfig(default_F=100.0), DetectorConfig(spixels=64, fpixels=64)
        scenario = Scenario(crystal, detector, names=("crystal.cell_a",))
        leaves = scenario.leaves()
        scenario(leaves).backward()
        leaves["crystal.cell_a"].grad  # photons per Å
        ```
    """

    crystal: CrystalConfig
    detector: DetectorConfig | PanelledDetectorConfig
    beam: BeamConfig = field(default_factory=BeamConfig)
    names: tuple[str, ...] = CELL
    loss: Callable[[Tensor], Tensor] = torch.sum
    compat: str | Compat = "physical"
    dtype: torch.dtype = torch.float64
    device: str = "cpu"
    hkl_data: Tensor | None = None
    hkl_metadata: dict[str, Any] | None = None
    engine: str = "auto"

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", tuple(self.names))
        Compat.of(self.compat)
        for name in self.names:
            self.value(name)
        if len(set(self.names)) != len(self.names) or not self.names:
            raise fail("Scenario", "names", self.names, "one name or more, each once", "Name each quantity once.")

    @property
    def quantities(self) -> tuple[Quantity, ...]:
        """Rows of ``names`` in the table of quantities."""
        return tuple(quantity(name) for name in self.names)

    def value(self, name: str) -> float:
        """Value of a quantity in the configs, in its unit.

        Raises:
            ValueError: the quantity is unknown, or unset in its config.
        """
        row = quantity(name)
        held = value_in(getattr(self, row.config), row)
        if held is None:
            raise fail("Scenario", name, None, "a number in its config", "Give it a value, or leave it out of names.")
        return float(torch.as_tensor(held, dtype=torch.float64).detach())  # a Python float is no float32

    def leaves(self, names: Iterable[str] | None = None) -> dict[str, Tensor]:
        """Make a 0-d float64 leaf for each quantity, with the configs' value, that collects a gradient.

        Args:
            names: names of quantities, those of the scenario by default.
        """
        chosen = self.names if names is None else names
        return {
            name: torch.tensor(self.value(name), dtype=torch.float64, device=self.device, requires_grad=True)
            for name in chosen
        }

    def simulator(self, values: Values | None = None) -> Simulator:
        """Build fresh objects with ``values`` in place of those in the configs, connected to them.

        Args:
            values: 0-d tensors by name, in the quantities' units.

        Raises:
            ValueError: no image can be computed from the values.
        """
        configs = {name: copy.copy(getattr(self, name)) for name in ("crystal", "detector", "beam")}
        for name, value in (values or {}).items():
            row = quantity(name)
            configs[row.config] = changed(configs[row.config], row, value)
        if values and isinstance(configs["detector"], PanelledDetectorConfig):
            configs["detector"].may_overlap = True  # a step of a finite difference is no detector that anyone builds
        crystal = Crystal(configs["crystal"], configs["beam"], self.device, self.dtype, self.compat)
        crystal.hkl_data, crystal.hkl_metadata = self.hkl_data, self.hkl_metadata
        detector = detector_of(configs["detector"], self.device, self.dtype, self.compat)
        return Simulator(
            crystal, detector, beam_config=configs["beam"], device=self.device, dtype=self.dtype, compat=self.compat,
            engine=self.engine,
        )  # fmt: skip

    def at(self, values: Mapping[str, float]) -> "Scenario":
        """Copy of the scenario with other values of quantities in its configs, as plain numbers.

        Args:
            values: numbers by name, in the quantities' units.

        Raises:
            ValueError: a quantity is unknown.
        """
        configs = {name: getattr(self, name) for name in ("crystal", "detector", "beam")}
        for name, value in values.items():
            row = quantity(name)
            configs[row.config] = changed(configs[row.config], row, value)
        return replace(self, **configs)

    def oversample(self) -> int:
        """Sub-pixels per axis at the configs as given."""
        given = self.detector.oversample
        return given if given > 0 else self.simulator().oversample()

    @eager
    def image(self, values: Values | None = None) -> Tensor:
        """Compute photons (spixels, fpixels) for ``values``, connected to them.

        Args:
            values: 0-d tensors by name, in the quantities' units.

        Raises:
            ValueError: no image can be computed from the values.
        """
        image = self.simulator(values).run(oversample=self.oversample())
        assert isinstance(image, Tensor)
        return image

    def __call__(self, values: Values | None = None) -> Tensor:
        """Compute the loss of the image, 0-d, as :meth:`image` does."""
        return self.loss(self.image(values))

    def changed(self, **changes: Any) -> "Scenario":
        """Copy of the scenario with other fields; the configs given here stay as they are.

        Args:
            changes: fields by name; "crystal", "detector" and "beam" may be dicts of their fields to change.

        Raises:
            ValueError: a field does not exist, or its value is not allowed.

        Example:
            ```python
            lit = dark.changed(crystal={"default_F": 100.0})
            ```
        """
        for name in ("crystal", "detector", "beam"):
            if isinstance(changes.get(name), dict):
                config = copy.copy(getattr(self, name))
                for key, value in changes[name].items():
                    if not hasattr(config, key):
                        raise fail("Scenario", name, key, f"a field of {type(config).__name__}", "Check its name.")
                    setattr(config, key, value)
                config.validate()
                changes[name] = config
        return replace(self, **changes)
