"""The reference experiments of the physics notes, built the way that a user builds them."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from nanobrag_torch.compat import Compat
from nanobrag_torch.config import BeamConfig, CrystalConfig, DetectorConfig
from nanobrag_torch.models import Crystal, Detector
from nanobrag_torch.simulator import Simulator
from nanobrag_torch.units import DEFAULT_FLUENCE

CELL = ("cell_a", "cell_b", "cell_c", "cell_alpha", "cell_beta", "cell_gamma")

#: R2 (triclinic, everything tilted): the 22 continuous quantities and their values, in the order of the notes.
R2_VALUES = {
    "cell_a": 70.0, "cell_b": 80.0, "cell_c": 90.0, "cell_alpha": 75.0, "cell_beta": 85.0, "cell_gamma": 95.0,
    "misset_x": 10.0, "misset_y": 20.0, "misset_z": 30.0, "phi": 5.0, "mosaic_spread": 0.5, "wavelength": 1.0,
    "distance": 100.0, "Xbeam": 4.85, "Ybeam": 4.85, "rotx": 2.0, "roty": 1.0, "rotz": 0.5, "twotheta": 5.0,
    "kahn": 0.9, "fluence": DEFAULT_FLUENCE, "F": 100.0,
}  # fmt: skip


@dataclass(frozen=True)
class Experiment:
    """A simulator and the leaf tensors that it was built from."""

    simulator: Simulator
    parameters: dict[str, Tensor]

    def image(self) -> Tensor:
        """One evaluation."""
        image = self.simulator.run()
        assert isinstance(image, Tensor)
        return image

    def gradients(self, loss: Tensor) -> dict[str, Tensor]:
        """d(loss)/d(parameter) for every parameter."""
        return dict(zip(self.parameters, torch.autograd.grad(loss, list(self.parameters.values())), strict=True))


def leaf(value: float, dtype: torch.dtype = torch.float64) -> Tensor:
    """A leaf that collects a gradient."""
    return torch.tensor(value, dtype=dtype, requires_grad=True)


def r1(
    compat: str | Compat = "physical", dtype: torch.dtype = torch.float64, default_F: Any = 100.0, pixels: int = 1024
) -> Experiment:
    """Cubic cell on the default detector; fewer ``pixels`` keep the detector's middle where it is."""
    cell = {name: leaf(value, dtype) for name, value in zip(CELL, [100.0] * 3 + [90.0] * 3, strict=True)}
    crystal = Crystal(CrystalConfig(**cell, N_cells=(5, 5, 5), default_F=default_F), dtype=dtype)
    detector = Detector(DetectorConfig(spixels=pixels, fpixels=pixels, oversample=2), dtype=dtype)
    return Experiment(Simulator(crystal, detector, dtype=dtype, compat=compat), cell)


def r2(compat: str | Compat = "c", dtype: torch.dtype = torch.float64, pixels: int = 32, **changes: Any) -> Experiment:
    """Triclinic cell with misset, phi and four mosaic domains on a tilted detector; ``changes`` go to the crystal."""
    p = {name: leaf(value, dtype) for name, value in R2_VALUES.items()}
    crystal = CrystalConfig(
        **{name: p[name] for name in CELL},
        **{
            "misset_deg": (p["misset_x"], p["misset_y"], p["misset_z"]),
            "phi_start_deg": p["phi"],
            "mosaic_spread_deg": p["mosaic_spread"],
            "mosaic_domains": 4,
            "N_cells": (5, 5, 5),
            "default_F": p["F"],
        }
        | changes,
    )
    detector = DetectorConfig(
        spixels=pixels,
        fpixels=pixels,
        pixel_size_mm=0.3,
        distance_mm=p["distance"],
        beam_center_s=p["Xbeam"],
        beam_center_f=p["Ybeam"],
        detector_rotx_deg=p["rotx"],
        detector_roty_deg=p["roty"],
        detector_rotz_deg=p["rotz"],
        detector_twotheta_deg=p["twotheta"],
        oversample=2,
    )
    beam = BeamConfig(wavelength_A=p["wavelength"], polarization_factor=p["kahn"], fluence=p["fluence"])
    simulator = Simulator(
        Crystal(crystal, dtype=dtype), Detector(detector, dtype=dtype), beam_config=beam, dtype=dtype, compat=compat
    )
    return Experiment(simulator, p)
