"""Conversion of the tables of a scene (``kernel/tables.py``) to the records that the compiled loops read."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from nanobrag_torch.kernel.numba_engine.lookups import Constant, Nearest, Outside, Tricubic
from nanobrag_torch.kernel.numba_engine.rays import PanelInputs
from nanobrag_torch.kernel.numba_engine.shapes import Gauss, Round, Square, Tophat
from nanobrag_torch.kernel.tables import LEAST_REMAINDER
from nanobrag_torch.physics.structure_factor import window
from nanobrag_torch.scene import Amplitudes, Scene

SHAPES = {"square": Square, "round": Round, "gauss": Gauss, "tophat": Tophat, "gauss_star": Gauss}
#: Lowest index, or number of entries, along each axis.
Triple = tuple[float, float, float]
REAL: dict[torch.dtype, Any] = {torch.float64: np.float64, torch.float32: np.float32}


def panel_record(panel: Tensor) -> PanelInputs:
    """Numbers of ``Tables.panel`` by name."""
    values = panel.tolist()
    vectors = [tuple(values[3 * i : 3 * i + 3]) for i in range(4)]
    return PanelInputs(*vectors, *values[12:])  # type: ignore[arg-type]


def shape_record(scene: Scene, shape: Tensor) -> Square | Round | Gauss | Tophat:
    """Parameters of the shape by name, in the scene's precision."""
    real = REAL[scene.dtype]
    values = [real(value) for value in shape.tolist()]
    if scene.lattice.shape == "square":
        values.append(real(LEAST_REMAINDER[scene.dtype]))
    record: Square | Round | Gauss | Tophat = SHAPES[scene.lattice.shape](*values)
    return record


def lookup_record(scene: Scene, lookup: Tensor, default: Tensor) -> Constant | Nearest | Tricubic:
    """Table of structure factors, and the box of indices that it covers."""
    flat, real = lookup.to(scene.dtype).numpy(), REAL[scene.dtype]
    if scene.amplitudes.table is None:
        return Constant(flat)
    if not scene.amplitudes.interpolate:
        return Nearest(flat, *_box(scene.amplitudes))
    box, ends = _box(scene.amplitudes), _window(scene.amplitudes)
    return Tricubic(np.ascontiguousarray(flat), real(default.item()), *box, *ends)


def outside_record(scene: Scene) -> Outside:
    """Window of the indices that are interpolated, for the search of samples outside."""
    return Outside(*_window(scene.amplitudes))


def _box(amplitudes: Amplitudes) -> tuple[Triple, Triple]:
    assert amplitudes.table is not None
    (h, k, l), (m, n, p) = amplitudes.minimum, amplitudes.table.shape
    return (float(h), float(k), float(l)), (float(m), float(n), float(p))


def _window(amplitudes: Amplitudes) -> tuple[Triple, Triple]:
    assert amplitudes.table is not None
    (h, k, l), (m, n, p) = window(amplitudes.minimum, amplitudes.table.shape, amplitudes.margin)
    return (float(h), float(k), float(l)), (float(m), float(n), float(p))
