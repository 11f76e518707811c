"""Noisy stills that the C program made at known truth, and the scenarios that refine them."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nanobrag_torch.config import BeamConfig, CrystalConfig, DetectorConfig
from nanobrag_torch.scenario import Scenario

DATA = Path(__file__).parent / "refine" / "data"

CELL = ("cell_a", "cell_b", "cell_c", "cell_alpha", "cell_beta", "cell_gamma")
MISSET = tuple(f"crystal.misset_deg[{i}]" for i in range(3))
N_CELLS = tuple(f"crystal.N_cells[{i}]" for i in range(3))
#: Constants of the cell that each system leaves free or ties.
CONSTANTS = {"cubic": CELL[:3], "orthorhombic": CELL[:3], "monoclinic": (*CELL[:3], "cell_beta"), "triclinic": CELL}


@dataclass(frozen=True)
class Still:
    """A still: measured photons (256, 256), crystal system, and the numbers of truth and start."""

    photons: np.ndarray
    system: str
    truth: dict[str, Any]
    start: dict[str, Any]
    table: torch.Tensor
    metadata: dict[str, Any]

    def scenario(self, at: str = "start", names: tuple[str, ...] | None = None) -> Scenario:
        """The scenario of the still at its "start" or at its "truth"; by default all that is unknown is free."""
        values = getattr(self, at)
        crystal = CrystalConfig(
            *values["cell"],
            N_cells=tuple(map(float, values["N"])),
            misset_deg=tuple(values["misset"]),
            mosaic_spread_deg=self.truth["mosaic"],
            mosaic_domains=20,
        )
        detector = DetectorConfig(
            spixels=256, fpixels=256, pixel_size_mm=0.4, distance_mm=self.truth["distance"], oversample=2
        )
        beam = BeamConfig(wavelength_A=1.2, fluence=values["fluence"], polarization_factor=0.9)
        free = (*(f"crystal.{name}" for name in CONSTANTS[self.system]), *MISSET, *N_CELLS, "beam.fluence")
        return Scenario(
            crystal, detector, beam, names=names or free, compat="c", hkl_data=self.table, hkl_metadata=self.metadata
        )

    def true_values(self) -> dict[str, float]:
        """True values by the names of quantities, without the misset."""
        cell = {f"crystal.{name}": value for name, value in zip(CELL, self.truth["cell"], strict=True)}
        return {**cell, **dict(zip(N_CELLS, self.truth["N"], strict=True)), "beam.fluence": self.truth["fluence"]}


def still(name: str) -> Still:
    """Read a still of ``refine/data``; its structure factors are those that its pixels meet."""
    with np.load(DATA / f"{name}.npz") as held:
        table = torch.zeros((45, 45, 45), dtype=torch.float64)
        table[tuple(held["hkl"].T.astype(int) + 22)] = torch.from_numpy(held["F"].astype(float).round(3))
        return Still(
            held["photons"],
            str(held["system"]),
            json.loads(str(held["truth"])),
            json.loads(str(held["start"])),
            table,
            {"h_min": -22, "k_min": -22, "l_min": -22},
        )
