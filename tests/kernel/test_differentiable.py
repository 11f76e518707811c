"""The differentiable operation with an engine that notes its calls."""

from dataclasses import dataclass, field

import pytest
import torch
from random_scenes import F64, Case, simulator

from nanobrag_torch.kernel.differentiable import cotangent_unit, photons
from nanobrag_torch.kernel.tables import Tables
from nanobrag_torch.kernel.torch_engine.engine import TorchTiles


@dataclass
class Noting:
    """The tiles, with the names of the methods that were called."""

    memory_budget: int = 1 << 20
    calls: list[str] = field(default_factory=list)

    def image(self, *given):
        self.calls.append("image")
        assert not torch.is_grad_enabled()
        return TorchTiles().image(*given)

    def pull_back(self, scene, tables, pixels, cotangent):
        self.calls.append("pull_back")
        assert isinstance(tables, Tables)
        return TorchTiles().pull_back(scene, tables, pixels, cotangent)


def test_a_gradient_asks_the_engine_and_a_second_derivative_the_formula():
    engine, case = Noting(), Case.of(simulator())
    cells = case.scene.lattice.cells
    image = photons(engine, case.scene, case.pixels)
    (once,) = torch.autograd.grad(image.sum(), cells, retain_graph=True)
    assert engine.calls == ["image", "pull_back"]
    (slope,) = torch.autograd.grad(image.sum(), cells, create_graph=True)
    assert engine.calls == ["image", "pull_back", "pull_back"]
    (twice,) = torch.autograd.grad(slope.sum(), cells)
    assert engine.calls == ["image", "pull_back", "pull_back"]
    assert torch.allclose(once, slope, rtol=1e-9) and twice.abs().max() > 0


@pytest.mark.parametrize("dtype", [F64, torch.float32])
@pytest.mark.parametrize(
    ("values", "unit"),
    [([1.0, -3.0], 3.0), ([0.0, 0.0], 1.0), ([], 1.0), ([torch.nan, 2.0], 1.0), ([-torch.inf, 2.0], 1.0)],
)
def test_the_unit_of_cotangents_is_the_largest_magnitude_that_divides(values, unit, dtype):
    found = cotangent_unit(torch.tensor(values, dtype=dtype))
    assert found.item() == unit and found.dtype == F64
