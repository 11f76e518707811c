"""Every engine interpolates as far as four entries of the table surround an index, and no further."""

from dataclasses import replace

import pytest
import torch
from random_scenes import F64, Case, assert_agreement, simulator, table
from torch import Tensor

from nanobrag_torch.kernel.engine import ENGINES
from nanobrag_torch.scene import Scene

SLOPES = torch.tensor([10.0, 5.0, 2.0], dtype=F64)
HALF = 2


def linear(h: Tensor) -> Tensor:
    return 100.0 + h @ SLOPES


def scene_at(h: tuple[float, float, float], margin: int, values: Tensor) -> tuple[Case, Tensor]:
    """One ray with those indices on a crystal of one cell, whose lattice factor is 1 everywhere; its cell (3, 3)."""
    case = Case.of(
        simulator("square", "tricubic", crystal={"N_cells": (1, 1, 1)}, detector={"spixels": 1, "fpixels": 1})
    )
    cell = torch.eye(3, dtype=F64).requires_grad_()
    along_x = torch.tensor([1.0, 0.0, 0.0], dtype=F64)
    scene: Scene = case.scene
    a, b, c = (row[None] for row in cell)
    scene = replace(
        scene,
        panel=replace(scene.panel, origin=0.02 * along_x, fast=0 * along_x, slow=0 * along_x),
        sources=replace(
            scene.sources, directions=(along_x - torch.tensor(h, dtype=F64))[None], wavelengths=torch.ones(1, dtype=F64)
        ),
        polarization=replace(scene.polarization, enabled=False),
        lattice=replace(scene.lattice, a=a, b=b, c=c),
        amplitudes=replace(scene.amplitudes, table=values, minimum=(-HALF,) * 3, margin=margin),
    )
    return replace(case, scene=scene), cell


GRID = torch.stack(torch.meshgrid(*[torch.arange(-HALF, HALF + 1, dtype=F64)] * 3, indexing="ij"), dim=-1)


def amplitude_and_slopes(engine: str, h: tuple[float, float, float], margin: int) -> tuple[float, Tensor]:
    """F, and its slopes against the indices, from the photons and their gradient against the cell."""
    case, cell = scene_at(h, margin, linear(GRID))
    unit, _ = scene_at(h, margin, torch.ones(GRID.shape[:3], dtype=F64))
    ratio = case.image(engine) / unit.image(engine).detach()
    (slope,) = torch.autograd.grad(ratio.sum(), cell)
    amplitude = float(ratio.detach()) ** 0.5
    return amplitude, slope.diagonal() / (2 * amplitude)


#: Margin, indices, whether they are interpolated: within the window, at its edges and beyond.
PLACES = [
    (1, (0.5, 0.5, 0.5), True),
    (1, (1.0, -1.0, 0.5), True),
    (1, (-1.0, 1.0, 1.0), True),
    (1, (-0.75, 0.75, 1.0), True),
    (1, (1.0625, 0.5, 0.5), False),
    (1, (0.5, -1.0625, 0.5), False),
    (2, (0.0, 0.0, 0.0), True),
    (2, (0.5, 0.5, 0.5), False),
    (2, (0.0, 0.0, 0.0625), False),
]


@pytest.mark.parametrize(("margin", "h", "interpolated"), PLACES)
@pytest.mark.parametrize("engine", [name for name in ENGINES if name not in ("auto", "triton")])
def test_a_linear_table_is_found_exactly_with_its_slopes_wherever_it_is_interpolated(engine, margin, h, interpolated):
    at = torch.tensor(h, dtype=F64)
    amplitude, slopes = amplitude_and_slopes(engine, h, margin)
    if interpolated:
        assert amplitude == pytest.approx(float(linear(at)), rel=1e-12)
        assert torch.allclose(slopes, SLOPES * at, atol=1e-9)
    else:
        assert amplitude == pytest.approx(float(linear(torch.ceil(at - 0.5))), rel=1e-12)
        assert slopes.abs().max() < 1e-9


@pytest.mark.parametrize("compat", ["physical", "c"])
@pytest.mark.parametrize("half", [1, 2, 3])
def test_engines_agree_where_much_of_an_image_lies_beyond_a_small_table(half, compat):
    made = simulator(lookup="tricubic", compat=compat, detector={"distance_mm": 60.0, "oversample": 2})
    made.crystal.hkl_data, made.crystal.hkl_metadata = table(half)
    case = Case.of(made)
    for engine in ("numba", "torch"):
        assert_agreement(case, engine)


def test_presets_interpolate_as_far_as_the_nodes_or_as_c():
    margins = {}
    for compat in ("physical", "legacy_torch", "c"):
        margins[compat] = simulator(lookup="tricubic", compat=compat).scene().amplitudes.margin
    assert margins == {"physical": 1, "legacy_torch": 1, "c": 2}
