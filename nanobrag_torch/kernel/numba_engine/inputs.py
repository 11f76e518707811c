"""Conversion of the tables of a scene (``kernel/tables.py``) to the records that the compiled loops read."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nanobrag_torch.kernel.numba_engine.neighbours import FEWEST, clustered, means_and_radii
from nanobrag_torch.kernel.numba_engine.records import (
    PARTS,
    TOGETHER,
    AllSamples,
    Constant,
    Gauss,
    LitSamples,
    Nearest,
    Outside,
    PanelInputs,
    Round,
    Square,
    Tophat,
    Tricubic,
)
from nanobrag_torch.kernel.numba_engine.tiles import SMALL
from nanobrag_torch.kernel.tables import DIRECTION, LEAST_REMAINDER, WAVELENGTH, Tables, least_square
from nanobrag_torch.physics.structure_factor import window
from nanobrag_torch.scene import Amplitudes, Scene

SHAPES = {"square": Square, "round": Round, "gauss": Gauss, "tophat": Tophat, "gauss_star": Gauss}
#: Lowest index, or number of entries, along each axis.
Triple = tuple[float, float, float]
#: Part by which the body of a spot is widened: more than the rounding of S^2 in single precision.
WIDER = 1e-3
#: Part of reciprocal space that spots, widened by a part of a block, may fill for a search to be worth its time.
CROWDED = 0.3
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


def visits_record(scene: Scene, tables: Tables[Tensor], panel: PanelInputs) -> AllSamples | LitSamples:
    """Visits of a block of ``panel``'s pixels: those that may light a part of it where the scene has a cutoff."""
    vectors, shape = tables.vectors.detach(), tables.shape.detach()
    sources = tables.sources.detach().numpy()
    count, cutoff = len(vectors), scene.lattice.cutoff
    least = least_square(scene.lattice, shape)
    if least is None:
        return AllSamples(count, REAL[scene.dtype](-np.inf))
    limit = REAL[scene.dtype](least.item())
    body = (1 + WIDER) * BODIES[scene.lattice.shape](shape.numpy(), cutoff)
    direct = vectors.numpy().reshape(-1, 3, 3)
    a, b, c = (direct[:, axis] for axis in range(3))
    stars = np.stack([np.cross(b, c), np.cross(c, a), np.cross(a, b)], axis=1)
    volume = (a * stars[:, 0]).sum(1)
    with np.errstate(all="ignore"):
        stars = stars / volume[:, None, None]
        extent = np.sqrt(np.diag(body))
        if _crowded(panel, sources, direct[0], extent):
            return AllSamples(count, limit)
        axes = np.concatenate([direct.reshape(-1, 9), stars.reshape(-1, 9)], axis=1)
    order, means, radii = np.arange(count), axes[:0], axes[:0, :6]
    if count >= FEWEST and np.isfinite(axes).all():
        order = clustered(axes[:, :9])
        axes = axes[order]
        means, radii = means_and_radii(axes)
    return LitSamples(
        count,
        limit,
        scene.has_background,
        PARTS,
        _in_order(sources),
        _farthest(scene.amplitudes, stars[0], body),
        order,
        _in_groups(axes),
        len(means),
        _in_groups(means),
        _in_groups(radii),
        (extent[0], extent[1], extent[2]),
        (body[0, 0], body[1, 1], body[2, 2], body[0, 1], body[0, 2], body[1, 2]),
    )


def _crowded(panel: PanelInputs, sources: np.ndarray, direct: np.ndarray, extent: np.ndarray) -> bool:
    """True where nearly every part of a block has a spot in reach, by the size of a part at the foot of the normal."""
    distance = abs(np.dot(panel.origin, panel.normal))
    width = SMALL * panel.pixel_size / (distance * sources[:, WAVELENGTH].max())
    reach = 2 * extent + width * np.linalg.norm(direct, axis=1)
    return bool(np.minimum(reach, 1.0).prod() > CROWDED)


def _in_order(sources: np.ndarray) -> bool:
    """True where sources have one direction and their wavelengths rise, or fall, from each to the next."""
    steps = np.diff(sources[:, WAVELENGTH])
    alike = (sources[:, DIRECTION : DIRECTION + 3] == sources[:1, DIRECTION : DIRECTION + 3]).all()
    return bool(alike and ((steps >= 0).all() or (steps <= 0).all()))


def _farthest(amplitudes: Amplitudes, stars: np.ndarray, body: np.ndarray) -> float:
    """Square of the largest |q| in 1/m^2 that a spot reaches whose F is not zero.

    |q| is largest at an end of a column of indices along l.
    """
    if amplitudes.table is None or amplitudes.interpolate or float(amplitudes.default_F) != 0:
        return math.inf
    shines = (amplitudes.table.detach() != 0).numpy()
    h, k = np.nonzero(shines.any(axis=-1))
    if len(h) == 0:
        return 0.0
    columns, low = shines[h, k], np.array(amplitudes.minimum)
    ends = [columns.argmax(axis=-1), columns.shape[-1] - 1 - columns[:, ::-1].argmax(axis=-1)]
    longest = max(np.linalg.norm((np.stack([h, k, l], axis=-1) + low) @ stars, axis=-1).max() for l in ends)
    reach = math.sqrt(np.trace(stars.T @ body @ stars))
    return float((1 + WIDER) * (longest + reach) ** 2)


def _in_groups(axes: np.ndarray) -> np.ndarray:
    """Rows of ``TOGETHER`` orientations each, group by group, from (O, n); the last one fills the last group."""
    missing = -len(axes) % TOGETHER
    filled = np.concatenate([axes, np.repeat(axes[-1:], missing, axis=0)])
    return np.ascontiguousarray(filled.reshape(-1, TOGETHER, axes.shape[1]).swapaxes(1, 2)).ravel()


def _square_body(shape: np.ndarray, cutoff: float) -> np.ndarray:
    """|sin(pi N d)/(N sin(pi d))| is at most 1/(2 N |d|) on each axis, and 1 on the others; a box lies in a ball."""
    body: np.ndarray = np.diag(3 / (4 * shape**2 * math.sqrt(cutoff) ** 2))
    return body


def _round_body(shape: np.ndarray, cutoff: float) -> np.ndarray:
    """3 |sin x - x cos x|/x^3 is at most 6/x^2 beyond x = 1."""
    body: np.ndarray = np.diag(6 / math.sqrt(cutoff) / shape[1:])
    return body


def _ellipsoid(shape: np.ndarray, limit: float) -> np.ndarray:
    """Matrix V of the ellipsoid in which a quadratic form is at most ``limit``; not finite where it has no end."""
    _, aa, bb, cc, ab, ac, bc = shape
    form = np.array([[aa, ab / 2, ac / 2], [ab / 2, bb, bc / 2], [ac / 2, bc / 2, cc]])
    adjoint = np.stack([np.cross(form[1], form[2]), np.cross(form[2], form[0]), np.cross(form[0], form[1])])
    with np.errstate(all="ignore"):
        body: np.ndarray = limit * adjoint / (form[0] @ adjoint[0])
    return body


#: Matrix V of an ellipsoid that holds the lit remainders, from the parameters of a shape and the cutoff.
BODIES: dict[str, Callable[[np.ndarray, float], np.ndarray]] = {
    "square": _square_body,
    "round": _round_body,
    "gauss": lambda shape, cutoff: _ellipsoid(shape, -math.log(cutoff)),
    "tophat": lambda shape, cutoff: _ellipsoid(shape, 1.0),
    "gauss_star": lambda shape, cutoff: _ellipsoid(shape, -math.log(cutoff)),
}


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
