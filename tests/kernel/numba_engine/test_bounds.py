"""Bounds of the directions of samples that lie between others."""

import numpy as np
import pytest

from nanobrag_torch.kernel.numba_engine.bounds import bend_within_pixels
from nanobrag_torch.kernel.numba_engine.records import PanelInputs
from nanobrag_torch.kernel.pixel_plan import PixelPlan


def panel(origin, fast, slow, layer_step) -> PanelInputs:
    numbers = dict.fromkeys(PanelInputs._fields, 0.0)
    return PanelInputs(**numbers | {"origin": origin, "fast": fast, "slow": slow, "pixel_size": 1e-4,
                                    "layer_step": layer_step, "normal": tuple(np.cross(fast, slow))})  # fmt: skip


def plan(oversample, layers) -> PixelPlan:
    numbers = dict.fromkeys(PixelPlan._fields, 0)
    return PixelPlan(**numbers | {"oversample": oversample, "layers": layers})


def directions(points: np.ndarray) -> np.ndarray:
    return points / np.linalg.norm(points, axis=-1, keepdims=True)


@pytest.mark.parametrize("distance", [0.02, 0.1, 1.0])
@pytest.mark.parametrize("oversample, layers", [(1, 1), (3, 1), (2, 4)])
def test_directions_within_a_block_leave_the_box_of_its_corners_by_the_bend_at_most(distance, oversample, layers):
    draw = np.random.default_rng(3)
    most = 0.0
    for _ in range(60):
        fast, normal = directions(draw.normal(size=(2, 3)))
        slow = directions(np.cross(normal, fast))
        origin = distance * directions(draw.normal(size=3))
        pixels = panel(tuple(origin), tuple(fast), tuple(slow), 1e-4)
        across, down = (float(number) for number in draw.integers(0, 33, 2))
        normal = np.array(pixels.normal)
        lengths = 1e-4 * np.array([across + 1 - 1 / oversample, down + 1 - 1 / oversample, layers - 1.0])
        edges = lengths[:, None] * np.stack([fast, slow, normal])
        corners = origin + np.stack(np.meshgrid(*[[0.0, 1.0]] * 3, indexing="ij"), -1).reshape(-1, 3) @ edges
        within = origin + draw.uniform(size=(400, 3)) @ edges
        along = directions(corners).mean(axis=0)  # where a block is thin
        vectors = np.linalg.qr(np.column_stack([along, draw.normal(size=(3, 2))]))[0]
        box, inside = directions(corners) @ vectors, directions(within) @ vectors
        nearest = np.linalg.norm(corners, axis=1).min()
        bend = bend_within_pixels.py_func(pixels, plan(oversample, layers), nearest, across, down)
        out = np.maximum(box.min(0) - inside.min(0), inside.max(0) - box.max(0)).max()
        assert out <= bend + 1e-15
        most = max(most, out / bend) if 0.0 < bend < np.inf else most
    assert (most > 0.05) or distance < 0.05  # the bound is one that directions come near to


def test_a_sample_at_the_crystal_leaves_no_bound():
    pixels = panel((0.0, 0.0, 1e-6), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), 0.0)
    assert bend_within_pixels.py_func(pixels, plan(1, 1), 1e-6, 32.0, 8.0) == np.inf
