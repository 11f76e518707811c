"""A scenario: an image and a loss as functions of some quantities, everything else fixed."""

import copy
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from nanobrag_torch.compat import Compat
from nanobrag_torch.config import BeamConfig, CrystalConfig, DetectorConfig
from nanobrag_torch.models import Crystal, Detector
from nanobrag_torch.quantities import CELL, Quantity, put, quantity
from nanobrag_torch.simulator import Simulator
from nanobrag_torch.validation import fail

Values = Mapping[str, Tensor]


@dataclass(frozen=True)
class Scenario:
    """An image and a loss as functions of some quantities, everything else fixed.

    Each evaluation builds crystal, detector, beam and simulator anew, so that none remembers the one before it.
    Sub-pixels are counted once, at the configs as given: an automatic number would make the loss jump. ``loss`` turns
    the image (spixels, fpixels) into a 0-d tensor; ``hkl_data`` (h, k, l) and ``hkl_metadata`` are the crystal's;
    ``engine`` is the simulator's.
    """

    crystal: CrystalConfig
    detector: DetectorConfig
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
        """The rows of ``names``."""
        return tuple(quantity(name) for name in self.names)

    def value(self, name: str) -> float:
        """What the configs say of a quantity. Raises ``ValueError`` where it is unknown, or unset in its config."""
        row = quantity(name)
        held = getattr(getattr(self, row.config), row.field)
        if held is None:
            raise fail("Scenario", name, None, "a number in its config", "Give it a value, or leave it out of names.")
        return float(torch.as_tensor(held if row.index is None else held[row.index]).detach())

    def leaves(self, names: Iterable[str] | None = None) -> dict[str, Tensor]:
        """A 0-d float64 leaf for each quantity, with the configs' value, that collects a gradient."""
        chosen = self.names if names is None else names
        return {
            name: torch.tensor(self.value(name), dtype=torch.float64, device=self.device, requires_grad=True)
            for name in chosen
        }

    def simulator(self, values: Values | None = None) -> Simulator:
        """Fresh objects with ``values`` in place of what the configs say, connected to them.

        Raises ``ValueError`` for values from which no image can be computed.
        """
        configs = {name: copy.copy(getattr(self, name)) for name in ("crystal", "detector", "beam")}
        for name, value in (values or {}).items():
            row = quantity(name)
            setattr(configs[row.config], row.field, put(getattr(configs[row.config], row.field), row, value))
        crystal = Crystal(configs["crystal"], configs["beam"], self.device, self.dtype, self.compat)
        crystal.hkl_data, crystal.hkl_metadata = self.hkl_data, self.hkl_metadata
        detector = Detector(configs["detector"], self.device, self.dtype, self.compat)
        return Simulator(
            crystal, detector, beam_config=configs["beam"], device=self.device, dtype=self.dtype, compat=self.compat,
            engine=self.engine,
        )  # fmt: skip

    def oversample(self) -> int:
        """Sub-pixels per axis at the configs as given."""
        return self.simulator().oversample()

    def image(self, values: Values | None = None) -> Tensor:
        """Photons (spixels, fpixels) for ``values``, connected to them. Raises as ``simulator`` does."""
        image = self.simulator(values).run(oversample=self.oversample())
        assert isinstance(image, Tensor)
        return image

    def __call__(self, values: Values | None = None) -> Tensor:
        """The loss of the image, 0-d."""
        return self.loss(self.image(values))

    def changed(self, **changes: Any) -> "Scenario":
        """The same scenario with other fields; "crystal", "detector" and "beam" may be dicts of fields to change.

        >>> lit = dark.changed(crystal={"default_F": 100.0})
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
