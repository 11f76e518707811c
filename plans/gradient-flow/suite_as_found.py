"""Gradient checks of the kind that stood beside the failing test: each passes, and none proves anything.

The suite in question passed because it compared zero with zero. These checks are rebuilt from that account, on the dark
crystal of ``test_as_found.py``; they are no copy of that suite.
"""

import torch

from nanobrag_torch.config import CrystalConfig, DetectorConfig
from nanobrag_torch.models.crystal import Crystal
from nanobrag_torch.models.detector import Detector
from nanobrag_torch.simulator import Simulator


def image_sum(cell_a: torch.Tensor, cell_gamma: torch.Tensor) -> torch.Tensor:
    """Sum of the image of a crystal without structure factors."""
    config = CrystalConfig(cell_a, 100.0, 100.0, 90.0, 90.0, cell_gamma, N_cells=(5, 5, 5))
    detector = DetectorConfig(spixels=4, fpixels=4, pixel_size_mm=5.0, oversample=1)
    crystal = Crystal(config, dtype=torch.float64)
    return Simulator(crystal, Detector(detector, dtype=torch.float64), dtype=torch.float64).run().sum()


def leaf(value: float) -> torch.Tensor:
    """A leaf that collects a gradient."""
    return torch.tensor(value, dtype=torch.float64, requires_grad=True)


def test_gradient_of_the_cell_edge() -> None:
    assert torch.autograd.gradcheck(lambda a: image_sum(a, leaf(90.0)), leaf(100.0))


def test_gradient_of_the_cell_angle() -> None:
    assert torch.autograd.gradcheck(lambda gamma: image_sum(leaf(100.0), gamma), leaf(90.0))


def test_gradients_are_finite() -> None:
    a, gamma = leaf(100.0), leaf(90.0)
    image_sum(a, gamma).backward()
    assert a.grad is not None and torch.isfinite(a.grad)
    assert gamma.grad is not None and torch.isfinite(gamma.grad)
