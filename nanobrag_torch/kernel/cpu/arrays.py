"""A scene as the few small tables that the compiled loops read.

``Tables`` are made of the scene by ordinary torch operations: cotangents of the tables become those of the scene's
tensors by autograd. ``records`` are the same numbers as the compiled functions take them.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from nanobrag_torch.kernel.cpu.lookups import Constant, Nearest, Outside, Tricubic
from nanobrag_torch.kernel.cpu.rays import Panel, Plan
from nanobrag_torch.kernel.cpu.shapes import Gauss, Round, Square, Tophat
from nanobrag_torch.kernel.weights import polarization_sampling
from nanobrag_torch.physics.lattice_factor import GAUSS_WIDTH, SPHERE_NORM, TOPHAT_LIMIT
from nanobrag_torch.physics.safe import unit
from nanobrag_torch.scene import Amplitudes, Lattice, Polarization, Scene, Sources

SHAPES = {"square": Square, "round": Round, "gauss": Gauss, "tophat": Tophat}
#: Below this remainder a grating is at its peak to all digits, and no intermediate result underflows.
LEAST_REMAINDER = {torch.float64: 1e-30, torch.float32: 1e-10}
#: Lowest index, or number of entries, along each axis.
Triple = tuple[float, float, float]
REAL = {torch.float64: np.float64, torch.float32: np.float32}


@dataclass(frozen=True)
class Tables:
    """All float64: ``panel`` (19,), in the order of ``rays.Panel``, ``sources`` (S, 11), ``vectors`` (O, 9), the
    parameters of the ``shape``, and the flat ``lookup`` table."""

    panel: Tensor
    sources: Tensor
    vectors: Tensor
    shape: Tensor
    lookup: Tensor


def tables(scene: Scene) -> Tables:
    """The tables of a scene, connected to its tensors."""
    lattice = scene.lattice
    return Tables(
        panel=_panel(scene),
        sources=_sources(scene.sources, scene.polarization),
        vectors=torch.cat([lattice.a, lattice.b, lattice.c], dim=-1),
        shape=shape_parameters(lattice),
        lookup=_lookup(scene.amplitudes),
    )


def _panel(scene: Scene) -> Tensor:
    panel = scene.panel
    zero, one = torch.zeros_like(panel.pixel_size), torch.ones_like(panel.pixel_size)
    omega = (zero, one) if panel.point_pixel else (panel.pixel_size**2 * panel.close_distance, zero)
    samples = panel.samples * scene.sources.count
    share = 1 / samples if scene.weighing.background_model == "c" else scene.lattice.orientations
    scalars = torch.stack(
        [
            panel.pixel_size,
            panel.layer_step,
            *omega,
            panel.layer_step * panel.attenuation,
            scene.photons_per_intensity,
            scene.background * share if scene.has_background else zero,
        ]
    )
    return torch.cat([panel.origin, panel.fast, panel.slow, panel.normal, scalars])


def _sources(sources: Sources, polarization: Polarization) -> Tensor:
    columns = [sources.directions, sources.wavelengths[:, None], sources.weights[:, None]]
    form = polarization_form(sources.directions, polarization)
    upper = [form[:, 0, 0], form[:, 1, 1], form[:, 2, 2], 2 * form[:, 0, 1], 2 * form[:, 0, 2], 2 * form[:, 1, 2]]
    return torch.cat([*columns, torch.stack(upper, dim=-1)], dim=-1)


def polarization_form(incident: Tensor, polarization: Polarization) -> Tensor:
    """The forms (S, 3, 3) M with which ``physics.polarization`` is (1 + d M d)/2 for unit d (the identity if off)."""
    identity = torch.eye(3, dtype=incident.dtype, device=incident.device).expand(len(incident), 3, 3)
    if not polarization.enabled:
        return identity
    magnetic = unit(torch.linalg.cross(polarization.axis.expand_as(incident), incident))
    electric = unit(torch.linalg.cross(incident, magnetic))
    along = _outer(incident)
    undefined = ((magnetic * magnetic).sum(-1) == 0)[:, None, None]
    return along - polarization.kahn * torch.where(undefined, identity - along, _outer(electric) - _outer(magnetic))


def _outer(vectors: Tensor) -> Tensor:
    return vectors[:, :, None] * vectors[:, None, :]


def shape_parameters(lattice: Lattice) -> Tensor:
    """The parameters of the lattice's shape, in the order of the record's fields (``Square.least`` apart)."""
    return SHAPE_PARAMETERS[lattice.shape](lattice)


def _square(lattice: Lattice) -> Tensor:
    return lattice.cells


def _round(lattice: Lattice) -> Tensor:
    peak = (lattice.cells.prod() * SPHERE_NORM) ** 2
    return torch.cat([peak[None], torch.pi**2 * lattice.fudge * lattice.cells**2])


def _quadratic(lattice: Lattice, factor: float) -> Tensor:
    peak = lattice.cells.prod() ** 2
    m = lattice.stars @ lattice.stars.T * peak * lattice.fudge * factor
    form = [m[0, 0], m[1, 1], m[2, 2], 2 * m[0, 1], 2 * m[0, 2], 2 * m[1, 2]]
    return torch.stack([peak, *form])


def _gauss(lattice: Lattice) -> Tensor:
    return _quadratic(lattice, 2 / GAUSS_WIDTH)


def _tophat(lattice: Lattice) -> Tensor:
    return _quadratic(lattice, 1 / TOPHAT_LIMIT)


SHAPE_PARAMETERS = {"square": _square, "round": _round, "gauss": _gauss, "tophat": _tophat}


def _lookup(amplitudes: Amplitudes) -> Tensor:
    default, table = amplitudes.default_F.reshape(1), amplitudes.table
    if table is None:
        return default**2
    table = table.to(torch.float64)
    if amplitudes.interpolate:
        return torch.cat([table.reshape(-1), default])
    padded = (default**2).expand([size + 2 for size in table.shape]).clone()
    padded[1:-1, 1:-1, 1:-1] = table**2
    return padded.reshape(-1)


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


def lookup_record(scene: Scene, lookup: Tensor) -> Constant | Nearest | Tricubic:
    """The table and the box that it covers."""
    flat = lookup.to(scene.dtype).numpy()
    if scene.amplitudes.table is None:
        return Constant(flat)
    return (Tricubic if scene.amplitudes.interpolate else Nearest)(flat, *_box(scene.amplitudes))


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
