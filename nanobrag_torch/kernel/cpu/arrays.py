"""The tables of a scene (``kernel/tables.py``) as the records that the compiled loops read."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from nanobrag_torch.kernel.cpu.lookups import Constant, Nearest, Outside, Tricubic
from nanobrag_torch.kernel.cpu.rays import Panel, Plan
from nanobrag_torch.kernel.cpu.shapes import Gauss, Round, Square, Tophat
from nanobrag_torch.kernel.weights import polarization_sampling
from nanobrag_torch.scene import Amplitudes, Scene

SHAPES = {"square": Square, "round": Round, "gauss": Gauss, "tophat": Tophat}
#: Below this remainder a grating is at its peak to all digits, and no intermediate result underflows.
LEAST_REMAINDER = {torch.float64: 1e-30, torch.float32: 1e-10}
#: Lowest index, or number of entries, along each axis.
Triple = tuple[float, float, float]
REAL: dict[torch.dtype, Any] = {torch.float64: np.float64, torch.float32: np.float32}


def panel_record(panel: Tensor) -> Panel:
    """The numbers of ``Tables.panel`` by name."""
    values = panel.tolist()
    vectors = [tuple(values[3 * i : 3 * i + 3]) for i in range(4)]
    return Panel(*vectors, *values[12:])  # type: ignore[arg-type]


def shape_record(scene: Scene, shape: Tensor) -> Square | Round | Gauss | Tophat:
    """The parameters of the shape by name, in the scene's precision."""
    real = REAL[scene.dtype]
    values = [real(value) for value in shape.tolist()]
    if scene.lattice.shape == "square":
        values.append(real(LEAST_REMAINDER[scene.dtype]))
    return SHAPES[scene.lattice.shape](*values)


def lookup_record(scene: Scene, lookup: Tensor, default: Tensor) -> Constant | Nearest | Tricubic:
    """The table and the box that it covers."""
    flat, real = lookup.to(scene.dtype).numpy(), REAL[scene.dtype]
    if scene.amplitudes.table is None:
        return Constant(flat)
    if not scene.amplitudes.interpolate:
        return Nearest(flat, *_box(scene.amplitudes))
    return Tricubic(np.ascontiguousarray(flat), real(default.item()), *_box(scene.amplitudes))


def outside_record(scene: Scene) -> Outside:
    """The box of the table alone."""
    return Outside(*_box(scene.amplitudes))


def _box(amplitudes: Amplitudes) -> tuple[Triple, Triple]:
    assert amplitudes.table is not None
    (h, k, l), (m, n, p) = amplitudes.minimum, amplitudes.table.shape
    return (float(h), float(k), float(l)), (float(m), float(n), float(p))


def plan_record(scene: Scene) -> Plan:
    """How the scene samples a pixel."""
    panel, weighing = scene.panel, scene.weighing
    samples = panel.samples
    single = samples * scene.sources.count == 1 and scene.dmin == 0
    whole_pixel = {"first": 0, "last": samples - 1, "per_sample": -1}
    polar = "per_sample" if single else polarization_sampling(scene)
    shares_capture = weighing.capture == "last_layer" and panel.has_sensor and samples > 1
    return Plan(
        oversample=panel.oversample,
        layers=panel.layers,
        has_sensor=panel.has_sensor,
        bare_capture=0.0 if weighing.blackout else 1.0,
        omega_at=-1 if samples == 1 else whole_pixel[weighing.omega],
        capture_at=samples - panel.oversample**2 if shares_capture else -1,
        polar_first={"first": 1, "last": -1, "per_sample": 0}[polar],
        dmin_squared=scene.dmin**2,
    )
