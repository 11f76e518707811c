"""Tables of a scene: the six arrays that both engines read, connected to its tensors.

``Tables`` are made of the scene by ordinary torch operations: cotangents of the tables become those of the scene's
tensors by autograd. All of them lie on the device of the panel.
"""

from collections.abc import Callable, Sequence
from typing import Generic, NamedTuple, TypeVar

import torch
from torch import Tensor

from nanobrag_torch.kernel.cotangents import pulled_back
from nanobrag_torch.physics.lattice_factor import GAUSS_WIDTH, SPHERE_NORM, TOPHAT_LIMIT, spot, star_spot
from nanobrag_torch.physics.safe import unit
from nanobrag_torch.scene import Amplitudes, Lattice, Polarization, Scene, Sources, tensors_of, with_tensors

#: Places in ``Tables.panel``: four vectors (three numbers each), two lengths, the strengths of the solid angle
#: omega_3/R^3 + omega_2/R^2, a layer's depth in attenuation lengths, the scale of a pixel, the background of a sample.
ORIGIN, ALONG_FAST, ALONG_SLOW, NORMAL, PIXEL_SIZE, LAYER_STEP, OMEGA_3, OMEGA_2, DEPTH, SCALE, BACKGROUND = (
    0, 3, 6, 9, 12, 13, 14, 15, 16, 17, 18,
)  # fmt: skip
#: Places in a row of ``Tables.sources``: direction (three), wavelength, weight, and the form of the polarization (six).
DIRECTION, WAVELENGTH, WEIGHT, FORM = 0, 3, 4, 5
#: Columns of ``Tables.vectors``: x of the direct vectors a, b, c; y and z follow.
AXIS_A, AXIS_B, AXIS_C = 0, 3, 6

#: Stands for a smaller remainder, so that no quotient is 0/0: a grating is at its peak there to all digits, and no
#: intermediate result underflows.
LEAST_REMAINDER = {torch.float64: 1e-30, torch.float32: 1e-10}


Array = TypeVar("Array")


class Tables(NamedTuple, Generic[Array]):
    """One float64 array for each table of a scene: its numbers, their cotangents or their tangents.

    Attributes:
        panel: (19,), with the places ``ORIGIN`` to ``BACKGROUND``.
        sources: (S, 11), with the columns ``DIRECTION`` to ``FORM``.
        vectors: (O, 9) in metres, with the columns ``AXIS_A`` to ``AXIS_C``.
        shape: Parameters of the shape of the crystal, in the order that its law takes them in.
        lookup: Flat table of structure factors.
        default: (1,), the amplitude outside the table where it is interpolated.
    """

    panel: Array
    sources: Array
    vectors: Array
    shape: Array
    lookup: Array
    default: Array


class WantedTables(NamedTuple):
    """Tables whose cotangents are wanted; ``rays`` stands for panel and sources."""

    rays: bool
    vectors: bool
    shape: bool
    lookup: bool

    @classmethod
    def of(cls, tables: Tables[Tensor]) -> "WantedTables":
        """The tables that a gradient flows through."""
        return cls(
            rays=tables.panel.requires_grad or tables.sources.requires_grad,
            vectors=tables.vectors.requires_grad,
            shape=tables.shape.requires_grad,
            lookup=tables.lookup.requires_grad or tables.default.requires_grad,
        )

    def by_table(self) -> Tables[bool]:
        """The same for each table."""
        return Tables(self.rays, self.rays, self.vectors, self.shape, self.lookup, self.lookup)


def tables(scene: Scene) -> Tables[Tensor]:
    """Make the tables of a scene, connected to its tensors."""
    device = scene.panel.origin.device
    found = tensors_of(scene)
    if any(tensor.device != device for tensor in found):
        scene = with_tensors(scene, [tensor.to(device) for tensor in found])
    lattice = scene.lattice
    return Tables(
        panel=_panel(scene),
        sources=_sources(scene.sources, scene.polarization),
        vectors=torch.cat([lattice.a, lattice.b, lattice.c], dim=-1),
        shape=shape_parameters(lattice),
        lookup=_lookup(scene.amplitudes),
        default=scene.amplitudes.default_F.reshape(1),
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
    """Quadratic forms (S, 3, 3) M; the polarization factor of unit d is (1 + d M d)/2. The identity where it is off."""
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
    """Parameters of the lattice's shape, in the order that its law takes them in."""
    return SHAPE_PARAMETERS[lattice.shape](lattice)


def least_square(lattice: Lattice, shape: Tensor) -> Tensor | None:
    """Least S^2 (0-d) that counts: the cutoff's part of the peak, from the shape's parameters; None where all count."""
    if lattice.cutoff == 0:
        return None
    peak = shape.detach().prod() ** 2 if lattice.shape == "square" else shape.detach()[0]
    return lattice.cutoff * peak


def _square(lattice: Lattice) -> Tensor:
    return lattice.cells


def _round(lattice: Lattice) -> Tensor:
    peak = (lattice.cells.prod() * SPHERE_NORM) ** 2
    return torch.cat([peak[None], torch.pi**2 * lattice.fudge * lattice.cells**2])


def _quadratic(peak: Tensor, metric: Tensor, scale: Tensor) -> Tensor:
    """S^2 at the peak, and the six coefficients of a quadratic form of the remainders."""
    m = metric * scale
    form = [m[0, 0], m[1, 1], m[2, 2], 2 * m[0, 1], 2 * m[0, 2], 2 * m[1, 2]]
    return torch.stack([peak**2, *form])


def _gauss(lattice: Lattice) -> Tensor:
    return _quadratic(*spot(lattice.domain), lattice.fudge * 2 / GAUSS_WIDTH)


def _tophat(lattice: Lattice) -> Tensor:
    return _quadratic(*spot(lattice.domain), lattice.fudge / TOPHAT_LIMIT)


def _gauss_star(lattice: Lattice) -> Tensor:
    return _quadratic(*star_spot(lattice.domain), lattice.fudge * 2 / GAUSS_WIDTH)


SHAPE_PARAMETERS = {
    "square": _square,
    "round": _round,
    "gauss": _gauss,
    "tophat": _tophat,
    "gauss_star": _gauss_star,
}


def _lookup(amplitudes: Amplitudes) -> Tensor:
    default, table = amplitudes.default_F.reshape(1), amplitudes.table
    if table is None:
        return default**2
    table = table.to(torch.float64)
    if amplitudes.interpolate:
        return table.reshape(-1)
    padded = (default**2).expand([size + 2 for size in table.shape]).clone()
    padded[1:-1, 1:-1, 1:-1] = table**2
    return padded.reshape(-1)


def pull_back(
    scene: Scene,
    tensors: Sequence[Tensor],
    wanted: Sequence[bool],
    of_tables: Callable[[Scene, Tables[Tensor]], Sequence[Tensor]],
) -> list[Tensor]:
    """Cotangents of the tensors of a scene from those of its tables.

    Args:
        scene: Description of the experiment.
        tensors: Its tensors, in the order of ``scene.tensors_of``.
        wanted: For each of them, True if its cotangent is wanted.
        of_tables: Cotangents of the tables, given the scene on leaves of its own and the tables made of it.

    Returns:
        The cotangents of the wanted tensors, in their order.
    """
    leaves = [tensor.detach().requires_grad_(want) for tensor, want in zip(tensors, wanted, strict=True)]
    apart = with_tensors(scene, leaves)
    with torch.enable_grad():
        made = tables(apart)
    bars = of_tables(apart, made)
    used = [(out, bar.reshape(out.shape)) for out, bar in zip(made, bars, strict=True) if out.requires_grad]
    inputs = [leaf for leaf in leaves if leaf.requires_grad]
    return list(pulled_back([out for out, _ in used], [bar for _, bar in used], inputs))
