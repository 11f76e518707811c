"""Quantities that may carry a gradient: place in the configs, unit, step of finite differences, bounds.

:data:`QUANTITIES` has a row for each continuous quantity of the model. Its step moves Miller indices by about a
thousandth of a fringe.
"""

import copy
import math
import re
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from nanobrag_torch.units import DEFAULT_FLUENCE
from nanobrag_torch.validation import fail


@dataclass(frozen=True)
class Quantity:
    """A continuous quantity of the model.

    Attributes:
        name: "config.field" or "config.field[index]", such as "crystal.cell_a" or "crystal.misset_deg[0]"; of a panel
            or a group "detector.panels.NAME.field[index]", such as "detector.groups.quadrant.shift_mm[0]".
        label: short name for tables and figures, such as "a".
        unit: unit of the config's field; empty for a number.
        step: first step of a finite difference: in ``unit``, or a part of the value where ``relative`` is given.
        far: change that matters to any image, in the same terms as ``step``.
        relative: value that stands in for zero in a step that is a part of the value; None for steps in ``unit``.
        low: lower bound of the values at which the model can be evaluated.
        high: upper bound.

    Example:
        ```python
        quantity("crystal.default_F").step_at(50.0)  # 0.05 electrons, a thousandth of 50
        ```
    """

    name: str
    label: str
    unit: str
    step: float
    far: float
    relative: float | None = None
    low: float = -math.inf
    high: float = math.inf

    @property
    def config(self) -> str:
        """Config that holds it: "crystal", "detector" or "beam"."""
        return self.name.partition(".")[0]

    @property
    def field(self) -> str:
        """Field of that config, "misset_deg"."""
        return self.name.partition(".")[2].partition("[")[0]

    @property
    def index(self) -> int | None:
        """Index in a field of several elements, None in a field of one."""
        inside = self.name.partition("[")[2].rstrip("]")
        return int(inside) if inside else None

    def step_at(self, value: float) -> float:
        """First step of a finite difference at ``value``, in the quantity's unit."""
        return self._scaled(self.step, value)

    def far_at(self, value: float) -> float:
        """Change that matters to any image at ``value``, in the quantity's unit."""
        return self._scaled(self.far, value)

    def _scaled(self, amount: float, value: float) -> float:
        return amount if self.relative is None else amount * (abs(value) or self.relative)


def _length(name: str, label: str) -> Quantity:
    """Edge of the cell, in Å."""
    return Quantity(name, label, "Å", 2e-3, 7.0, low=1e-3)


def _angle(name: str, label: str, low: float = -math.inf, high: float = math.inf) -> Quantity:
    """Angle in degrees between bounds."""
    return Quantity(name, label, "°", 2e-3, 3.0, low=low, high=high)


def _position(name: str, label: str, low: float = -math.inf) -> Quantity:
    """Distance or position in mm."""
    return Quantity(name, label, "mm", 2e-3, 3.0, low=low)


def _amplitude(name: str, label: str, unit: str, typical: float, low: float = 0.0) -> Quantity:
    """Quantity that scales the image, with steps in parts of its value, or of ``typical`` at zero."""
    return Quantity(name, label, unit, 1e-3, 0.5, relative=typical, low=low)


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
    _angle("crystal.mosaic_spread_deg", "mosaic spread"),
    _angle("crystal.mosaic_eta_deg[0]", "η a"),
    _angle("crystal.mosaic_eta_deg[1]", "η b"),
    _angle("crystal.mosaic_eta_deg[2]", "η c"),
    Quantity("crystal.N_cells[0]", "Na", "cells", 1e-3, 1.0, low=1.0),
    Quantity("crystal.N_cells[1]", "Nb", "cells", 1e-3, 1.0, low=1.0),
    Quantity("crystal.N_cells[2]", "Nc", "cells", 1e-3, 1.0, low=1.0),
    Quantity("crystal.N_offdiagonal[0]", "Nd", "cells", 1e-3, 1.0),
    Quantity("crystal.N_offdiagonal[1]", "Ne", "cells", 1e-3, 1.0),
    Quantity("crystal.N_offdiagonal[2]", "Nf", "cells", 1e-3, 1.0),
    _amplitude("crystal.default_F", "F", "electrons", 100.0, low=-math.inf),
    _amplitude("crystal.fudge", "fudge", "", 1.0, low=1e-9),
    _position("detector.distance_mm", "distance", low=1e-3),
    _position("detector.close_distance_mm", "close distance"),
    _position("detector.beam_center_s", "beam centre slow"),
    _position("detector.beam_center_f", "beam centre fast"),
    _angle("detector.detector_rotx_deg", "detector x"),
    _angle("detector.detector_roty_deg", "detector y"),
    _angle("detector.detector_rotz_deg", "detector z"),
    _angle("detector.detector_twotheta_deg", "2θ"),
    Quantity("detector.pixel_size_mm", "pixel size", "mm", 1e-4, 0.1, relative=0.1, low=1e-6),
    _amplitude("detector.detector_abs_um", "attenuation depth", "μm", 100.0, low=1e-6),
    _amplitude("detector.detector_thick_um", "sensor thickness", "μm", 100.0),
    Quantity("beam.wavelength_A", "λ", "Å", 4e-5, 0.05, low=1e-6),
    _amplitude("beam.fluence", "fluence", "photons/m²", DEFAULT_FLUENCE),
    Quantity("beam.polarization_factor", "Kahn factor", "", 1e-3, 0.3, low=-1.0, high=1.0),
    Quantity("beam.polarization_axis[0]", "polarization x", "", 1e-3, 0.3),
    Quantity("beam.polarization_axis[1]", "polarization y", "", 1e-3, 0.3),
    Quantity("beam.polarization_axis[2]", "polarization z", "", 1e-3, 0.3),
    _amplitude("beam.water_size_um", "water", "μm", 100.0),
    _amplitude("beam.hdiv_range_mrad", "divergence horizontal", "mrad", 1.0, low=1e-6),
    _amplitude("beam.vdiv_range_mrad", "divergence vertical", "mrad", 1.0, low=1e-6),
    _amplitude("beam.dispersion_pct", "dispersion", "%", 1.0),
)

#: Continuous quantities of the model, by name.
QUANTITIES: dict[str, Quantity] = {row.name: row for row in _ROWS}

_PANEL_ROWS = (
    *(_position(f"panels.origin_mm[{i}]", f"origin {axis}") for i, axis in enumerate("xyz")),
    *(Quantity(f"panels.fast[{i}]", f"fast {axis}", "", 2e-5, 0.05) for i, axis in enumerate("xyz")),
    *(Quantity(f"panels.slow[{i}]", f"slow {axis}", "", 2e-5, 0.05) for i, axis in enumerate("xyz")),
    *(
        Quantity(f"panels.pixel_size_mm{index}", f"pixel size{edge}", "mm", 1e-4, 0.1, relative=0.1, low=1e-6)
        for index, edge in (("", ""), ("[0]", " fast"), ("[1]", " slow"))
    ),
    _amplitude("panels.abs_um", "attenuation depth", "μm", 100.0, low=1e-6),
    _amplitude("panels.thick_um", "sensor thickness", "μm", 100.0),
    *(_position(f"groups.shift_mm[{i}]", f"shift {i + 1}") for i in range(3)),
    *(_angle(f"groups.rotation_deg[{i}]", f"rotation {i + 1}") for i in range(3)),
)

#: Continuous quantities of each panel and group, by "panels.field[index]" and "groups.field[index]".
PANEL_QUANTITIES: dict[str, Quantity] = {row.name: row for row in _PANEL_ROWS}

#: The name of a quantity of a panel or a group, whose own name stands in the middle.
_OF_ONE = re.compile(r"detector\.(?P<kind>panels|groups)\.(?P<of>.+)\.(?P<field>\w+(?:\[\d\])?)")

#: Names of the six cell parameters.
CELL = tuple(name for name in QUANTITIES if name.startswith("crystal.cell_"))


def quantity(name: str) -> Quantity:
    """Row of :data:`QUANTITIES` of that name, or that of a panel or a group.

    Raises:
        ValueError: there is no such quantity; the message names those that exist.
    """
    one = _OF_ONE.fullmatch(name)
    if one is not None:
        general = f"{one['kind']}.{one['field']}"
        if general not in PANEL_QUANTITIES:
            fields = [each.partition(".")[2] for each in PANEL_QUANTITIES if each.startswith(one["kind"])]
            raise fail("parameters", "name", name, f"detector.{one['kind']}.NAME.{{{', '.join(fields)}}}", "")
        row = PANEL_QUANTITIES[general]
        return replace(row, name=name, label=f"{one['of']} {row.label}")
    if name not in QUANTITIES:
        raise fail("parameters", "name", name, f"one of {', '.join(QUANTITIES)}", "Use the field's name in its config.")
    return QUANTITIES[name]


def put(held: Any, row: Quantity, value: Tensor | float) -> Any:
    """Put a value into the content of a config's field.

    Args:
        held: content of the field: a number or 0-d tensor, or a tuple or tensor (n,) of several elements.
        row: the quantity.
        value: its new value, a number or 0-d, in its unit; its graph is kept.

    Returns:
        The new content: ``value`` itself, or a tuple in which it is one element and the others stay.
    """
    if row.index is None:
        return value
    elements = list(held.unbind() if isinstance(held, Tensor) else held)
    elements[row.index] = value
    return tuple(elements)


def value_in(config: Any, row: Quantity) -> Any:
    """The content of a quantity's field in a config, and the element of it where the field has several.

    Raises:
        ValueError: the detector has no panel or group of that name.
    """
    owner, field = _owner(config, row)
    held = getattr(owner, field)
    return held if row.index is None or held is None else held[row.index]


def changed(config: Any, row: Quantity, value: Tensor | float) -> Any:
    """A copy of a config with another value of a quantity, whose graph is kept.

    Args:
        config: the crystal's, detector's or beam's; it stays as it is, and so do its panels and groups.
        row: the quantity.
        value: its new value, a number or 0-d, in its unit.

    Raises:
        ValueError: the detector has no panel or group of that name.
    """
    made = copy.copy(config)
    owner, field = _owner(made, row)
    if owner is made:
        setattr(made, field, put(getattr(made, field), row, value))
        return made
    moved = copy.copy(owner)
    setattr(moved, field, put(getattr(owner, field), row, value))
    kind = row.name.split(".")[1]
    setattr(made, kind, tuple(moved if each is owner else each for each in getattr(made, kind)))
    return made


def _owner(config: Any, row: Quantity) -> tuple[Any, str]:
    """The config, or the panel or group of it, that a quantity's field is one of, and the field's name."""
    one = _OF_ONE.fullmatch(row.name)
    if one is None:
        owner, field = config, row.field
    else:
        find = getattr(config, one["kind"].removesuffix("s"), None)
        if find is None:
            remedy = "Give a PanelledDetectorConfig."
            raise fail("parameters", "name", row.name, "of a detector of panels", remedy)
        owner, field = find(one["of"]), one["field"].partition("[")[0]
    if not hasattr(owner, field):
        allowed = f"a quantity that a {type(owner).__name__} has"
        raise fail("parameters", "name", row.name, allowed, "Panels and groups have quantities of their own.")
    return owner, field
