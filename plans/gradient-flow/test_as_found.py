"""The failing fixture as it was found. It is evidence: it is meant to fail, and ``tests/`` holds the repaired one.

Its crystal has no structure factors, so its image is dark, and it then asks that dark image for gradients.
"""

import torch

from nanobrag_torch.config import CrystalConfig
from nanobrag_torch.models.crystal import Crystal
from nanobrag_torch.models.detector import Detector
from nanobrag_torch.simulator import Simulator

CELL = {
    "cell_a": 100.0,
    "cell_b": 100.0,
    "cell_c": 100.0,
    "cell_alpha": 90.0,
    "cell_beta": 90.0,
    "cell_gamma": 90.0,
}


class TestAdvancedGradients:
    def test_gradient_flow_simulation(self) -> None:
        cell = {name: torch.tensor(value, dtype=torch.float64, requires_grad=True) for name, value in CELL.items()}
        config = CrystalConfig(**cell, mosaic_spread_deg=0.0, mosaic_domains=1, N_cells=(5, 5, 5))
        crystal = Crystal(config, dtype=torch.float64)
        detector = Detector(dtype=torch.float64)
        Simulator(crystal, detector, crystal_config=config, dtype=torch.float64).run().sum().backward()

        gradients = {name: value.grad for name, value in cell.items()}
        assert all(gradient is not None for gradient in gradients.values()), f"a gradient is missing: {gradients}"
        flowing = {name: g.item() for name, g in gradients.items() if g is not None and abs(g.item()) > 1e-10}
        assert flowing, "every gradient with respect to the cell is zero"
