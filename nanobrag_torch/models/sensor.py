"""Sensor of a detector: the layers in which photons are captured (docs/physics.md, Sensor)."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from nanobrag_torch.compat import Compat
from nanobrag_torch.models.as_tensor import scalar
from nanobrag_torch.sampling import thickness_layers
from nanobrag_torch.units import um_to_m
from nanobrag_torch.validation import number_of


@dataclass(frozen=True)
class Sensor:
    """Layers of a sensor: their number, depth (0-d, metres) and attenuation (0-d, 1/m; 0 without a sensor)."""

    layers: int
    step: Tensor
    attenuation: Tensor
    present: bool


def thickness(thick_um: Any, abs_um: Any, device: torch.device) -> Tensor:
    """Thickness of a sensor in metres, 0-d: none where its attenuation depth is 0."""
    off = abs_um is not None and number_of(abs_um) == 0
    return um_to_m(scalar(0.0 if off else thick_um, device))


def sensor_of(thick_um: Any, abs_um: Any, thicksteps: int, compat: Compat, device: torch.device) -> Sensor:
    """The sensor of that thickness, attenuation depth (None is the thickness) and number of layers."""
    thick = thickness(thick_um, abs_um, device)
    layers = thickness_layers(thicksteps, thick, compat.thickness_grid)
    present = bool(thick.detach() > 0)
    if not present:
        return Sensor(layers.count, scalar(layers.step, device), torch.zeros_like(thick), present)
    depth = thick if abs_um is None else um_to_m(scalar(abs_um, device))
    return Sensor(layers.count, scalar(layers.step, device), 1 / depth, present)
