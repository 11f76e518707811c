"""The quantities that may carry a gradient, and a scenario in which they do.

One row of :data:`QUANTITIES` for each continuous quantity of the model: where it stands in the configs, its unit, a
step for finite differences that moves Miller indices by about a thousandth of a fringe, and its bounds.
"""

import copy
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from nanobrag_torch.compat import Compat
from nanobrag_torch.config import BeamConfig, CrystalConfig, DetectorConfig
from nanobrag_torch.models import Crystal, Detector
from nanobrag_torch.simulator import Simulator
from nanobrag_torch.validation import fail


@dataclass(frozen=True)
class Quantity:
    """One continuous quantity: ``name`` is "config.field" or "config.field[index]".

    ``step`` is in the quantity's unit, or a part of its value where ``relative``. Within ``low`` and ``high`` the model
    can be evaluated; ``far`` is a change that matters to any image, in the same terms as the step.
    """

    name: str
    label: str
    unit: str
    step: float
    far: float
    relative: bool = False
    low: float = -math.inf
    high: float = math.inf

    @property
    def config(self) -> str:
        """The config that holds it: crystal, detector or beam."""
        return self.name.partition(".")[0]

    @property
    def field(self) -> str:
        """The field of that config."""
        return self.name.partition(".")[2].partition("[")[0]

    @property
    def index(self) -> int | None:
        """Its place in a field of several elements."""
        inside = self.name.partition("[")[2].rstrip("]")
        return int(inside) if inside else None

    def step_at(self, value: float) -> float:
        """The first step of a finite difference at ``value``."""
        return self._scaled(self.step, value)

    def far_at(self, value: float) -> float:
        """A change that matters, at ``value``."""
        return self._scaled(self.far, value)

    def _scaled(self, amount: float, value: float) -> float:
        return amount * (abs(value) or 1.0) if self.relative else amount


def _length(name: str, label: str) -> Quantity:
    return Quantity(name, label, "Å", 2e-3, 7.0, low=1e-3)


def _angle(name: str, label: str, low: float = -math.inf, high: float = math.inf) -> Quantity:
    return Quantity(name, label, "°", 2e-3, 3.0, low=low, high=high)


def _place(name: str, label: str, low: float = -math.inf) -> Quantity:
    return Quantity(name, label, "mm", 2e-3, 3.0, low=low)


def _amplitude(name: str, label: str, unit: str, low: float = -math.inf, high: float = math.inf) -> Quantity:
    return Quantity(name, label, unit, 1e-3, 0.5, relative=True, low=low, high=high)


_ROWS = (
    _length("crystal.cell_a", "a"),
    _length("crystal.cell_b", "b"),
    _length("crystal.cell_c", "c"),
    _angle("crystal.cell_alpha", "α", 0.1, 179.9),
    _angle("crystal.cell_beta", "β", 0.1, 179.9),
    _angle("crystal.cell_gamma", "γ", 0.1, 179.9),
    _angle("crystal.misset_deg[0]", "misset x"),
    _angle("crystal.misset_deg[1]", "misset y"),
    _angle("crystal.misset_deg[2]", "misset z"),
    _angle("crystal.phi_start_deg", "φ₀"),
    _angle("crystal.osc_range_deg", "oscillation"),
    _angle("crystal.mosaic_spread_deg", "mosaic spread", low=0.0),
    Quantity("crystal.N_cells[0]", "Na", "cells", 1e-3, 1.0, low=1.0),
    Quantity("crystal.N_cells[1]", "Nb", "cells", 1e-3, 1.0, low=1.0),
    Quantity("crystal.N_cells[2]", "Nc", "cells", 1e-3, 1.0, low=1.0),
    _amplitude("crystal.default_F", "F", "electrons"),
    _amplitude("crystal.fudge", "fudge", "", low=1e-6),
    _place("detector.distance_mm", "distance", low=1e-3),
    _place("detector.close_distance_mm", "close distance"),
    _place("detector.beam_center_s", "beam centre slow"),
    _place("detector.beam_center_f", "beam centre fast"),
    _angle("detector.detector_rotx_deg", "detector x"),
    _angle("detector.detector_roty_deg", "detector y"),
    _angle("detector.detector_rotz_deg", "detector z"),
    _angle("detector.detector_twotheta_deg", "2θ"),
    Quantity("detector.pixel_size_mm", "pixel size", "mm", 1e-4, 0.1, relative=True, low=1e-6),
    _amplitude("detector.detector_abs_um", "attenuation depth", "μm", low=1e-6),
    _amplitude("detector.detector_thick_um", "sensor thickness", "μm", low=0.0),
    Quantity("beam.wavelength_A", "λ", "Å", 4e-5, 0.05, low=1e-6),
    _amplitude("beam.fluence", "fluence", "photons/m²", low=0.0),
    Quantity("beam.polarization_factor", "Kahn factor", "", 1e-3, 0.3, low=-1.0, high=1.0),
    Quantity("beam.polarization_axis[0]", "polarization x", "", 1e-3, 0.3),
    Quantity("beam.polarization_axis[1]", "polarization y", "", 1e-3, 0.3),
    Quantity("beam.polarization_axis[2]", "polarization z", "", 1e-3, 0.3),
    _amplitude("beam.water_size_um", "water", "μm", low=0.0),
    _amplitude("beam.hdiv_range_mrad", "divergence horizontal", "mrad", low=1e-6),
    _amplitude("beam.vdiv_range_mrad", "divergence vertical", "mrad", low=1e-6),
    _amplitude("beam.dispersion_pct", "dispersion", "%", low=0.0),
)

#: Every continuous quantity of the model, by name.
QUANTITIES: dict[str, Quantity] = {row.name: row for row in _ROWS}

#: The six cell parameters.
CELL = tuple(name for name in QUANTITIES if name.startswith("crystal.cell_"))

Values = Mapping[str, Tensor]


def quantity(name: str) -> Quantity:
    """The row of that name. Raises ``ValueError``, naming those that exist, for another."""
    if name not in QUANTITIES:
        raise fail("parameters", "name", name, f"one of {', '.join(QUANTITIES)}", "Use the field's name in its config.")
    return QUANTITIES[name]


@dataclass(frozen=True)
class Scenario:
    """An image and a loss as functions of some quantities, everything else fixed.

    Each evaluation builds crystal, detector, beam and simulator anew, so that none remembers the one before it.
    Sub-pixels are counted once, at the configs as given: an automatic number would make the loss jump. ``loss`` turns
    the image (spixels, fpixels) into a 0-d tensor; ``hkl_data`` (h, k, l) and ``hkl_metadata`` are the crystal's.
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
            setattr(configs[row.config], row.field, _put(getattr(configs[row.config], row.field), row.index, value))
        crystal = Crystal(configs["crystal"], configs["beam"], self.device, self.dtype, self.compat)
        crystal.hkl_data, crystal.hkl_metadata = self.hkl_data, self.hkl_metadata
        detector = Detector(configs["detector"], self.device, self.dtype, self.compat)
        return Simulator(
            crystal, detector, beam_config=configs["beam"], device=self.device, dtype=self.dtype, compat=self.compat
        )

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


def _put(held: Any, index: int | None, value: Tensor) -> Any:
    if index is None:
        return value
    elements = list(held.unbind() if isinstance(held, Tensor) else held)
    elements[index] = value
    return tuple(elements)
