"""A still of 64 x 64 pixels with a dozen spots, drawn here, for tests that need many evaluations."""

import torch
from torch import Tensor

from nanobrag_torch.config import BeamConfig, CrystalConfig, CrystalShape, DetectorConfig
from nanobrag_torch.scenario import Scenario

CELL_AND_MISSET = (
    "crystal.cell_a", "crystal.cell_b", "crystal.cell_c", *(f"crystal.misset_deg[{i}]" for i in range(3)),
)  # fmt: skip
N_CELLS = tuple(f"crystal.N_cells[{i}]" for i in range(3))
FREE = (*CELL_AND_MISSET, *N_CELLS, "beam.fluence")


def small_still(names: tuple[str, ...] = FREE, **changes: dict) -> Scenario:
    """A scenario of about 2e4 photons; ``changes`` go to crystal, detector and beam."""
    crystal = {
        "cell_a": 40.0, "cell_b": 50.0, "cell_c": 60.0, "N_cells": (7.0, 6.0, 5.0), "misset_deg": (12.0, 25.0, 37.0),
        "default_F": 100.0, "shape": CrystalShape.GAUSS,
    }  # fmt: skip
    detector = {"spixels": 64, "fpixels": 64, "pixel_size_mm": 0.5, "distance_mm": 60.0, "oversample": 1}
    beam = {"wavelength_A": 1.2, "fluence": 3e27}
    return Scenario(
        CrystalConfig(**{**crystal, **changes.get("crystal", {})}),
        DetectorConfig(**{**detector, **changes.get("detector", {})}),
        BeamConfig(**{**beam, **changes.get("beam", {})}),
        names=names,
    )


def drawn(image: Tensor, seed: int) -> Tensor:
    """Counts of an image of expected photons."""
    return torch.poisson(image.detach(), generator=torch.Generator().manual_seed(seed))
