"""Scene: all that decides an image, as SI tensors in float64.

The models turn configs into these records once per evaluation; the kernel reads nothing else. All tensors stay
connected to the configs that they came from.
"""

from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, field, fields, is_dataclass, replace
from functools import cache
from typing import Any, Literal, TypeVar

import torch
from torch import Tensor

from nanobrag_torch.compat import Sampling
from nanobrag_torch.physics.lattice_factor import Domain
from nanobrag_torch.units import R_E_SQUARED


@dataclass(frozen=True)
class Panel:
    """A panel of the detector: pixel grid, place and sensor. Vectors (3,), lengths in metres, ``attenuation`` in 1/m.

    Pixels are parallelograms with the sides ``pixel_size * fast`` and ``pixel_size * slow`` and the area
    ``pixel_size**2``: squares where ``fast`` and ``slow`` are of unit length, as they are on a detector of one panel.
    """

    origin: Tensor
    fast: Tensor
    slow: Tensor
    normal: Tensor
    beam: Tensor
    pixel_size: Tensor
    distance: Tensor
    close_distance: Tensor
    oversample: int = 1
    layers: int = 1
    layer_step: Tensor = field(default_factory=lambda: torch.zeros((), dtype=torch.float64))
    attenuation: Tensor = field(default_factory=lambda: torch.zeros((), dtype=torch.float64))
    has_sensor: bool = False
    curved: Literal["flat", "c", "exact"] = "flat"
    point_pixel: bool = False

    @property
    def samples(self) -> int:
        """Sampled points per pixel: layers times sub-pixels."""
        return self.layers * self.oversample**2


@dataclass(frozen=True)
class Sources:
    """Incident directions (S, 3), wavelengths (S,) in metres, weights (S,) of mean 1."""

    directions: Tensor
    wavelengths: Tensor
    weights: Tensor

    @property
    def count(self) -> int:
        """Number of sources."""
        return self.directions.shape[0]


@dataclass(frozen=True)
class Polarization:
    """Direction of the E vector (3,) and Kahn factor; the factor applies where it is ``enabled``."""

    axis: Tensor
    kahn: Tensor
    enabled: bool = True


@dataclass(frozen=True)
class Lattice:
    """Direct vectors of every orientation (..., O, 3) in metres and the crystal's shape.

    O runs over phi steps (outer) and mosaic domains (inner). ``stars`` are the unrotated reciprocal vectors (3, 3),
    rows a*, b*, c* in 1/Angstrom; ``cells`` and ``offdiagonal`` the elements (3,) of the domain matrix. ``spot_radius``
    is that of ``Compat`` [B45]; ``cutoff`` the part of its peak below which F_latt^2 counts as zero.
    """

    a: Tensor
    b: Tensor
    c: Tensor
    stars: Tensor
    cells: Tensor
    shape: str
    fudge: Tensor
    offdiagonal: Tensor = field(default_factory=lambda: torch.zeros(3, dtype=torch.float64))
    spot_radius: Literal["c", "index"] = "index"
    cutoff: float = 0.0

    @property
    def domain(self) -> Domain:
        """The coherent domain, on which the lattice factor depends."""
        return Domain(self.cells, self.offdiagonal, self.stars, self.fudge, self.spot_radius)

    @property
    def orientations(self) -> int:
        """Phi steps times mosaic domains."""
        return self.a.shape[-2]


@dataclass(frozen=True)
class Amplitudes:
    """Structure factors: a table over Miller indices from ``minimum`` on, or ``default_F`` everywhere.

    A table (channels, h, k, l) has an entry for each wavelength of a spectrum, which run innermost among the sources.
    """

    default_F: Tensor
    table: Tensor | None = None
    minimum: tuple[int, int, int] = (0, 0, 0)
    interpolate: bool = False
    fallback: Literal["global", "per_sample"] = "per_sample"
    margin: int = 1
    """Entries of the table beyond an index that is interpolated, on either side."""

    @property
    def channels(self) -> int | None:
        """Number of tables; None where one serves all sources."""
        return self.table.shape[0] if self.table is not None and self.table.ndim == 4 else None

    def of_channel(self, channel: int) -> "Amplitudes":
        """The structure factors of one channel."""
        assert self.table is not None
        return replace(self, table=self.table[channel])


@dataclass(frozen=True)
class Weighing:
    """Sampling of the factors that vary within a pixel, and their products (docs/physics.md, The sum and its scale)."""

    omega: Sampling = "per_sample"
    polar: Sampling = "per_sample"
    capture: Literal["last_layer", "per_layer"] = "per_layer"
    running: tuple[str, ...] = ()
    """Factors that multiply the running total [B05]: any of "capture", "polar", "omega"."""
    blackout: bool = False
    """True where a missing sensor captures nothing [B06]."""
    background_model: Literal["c", "physical"] = "physical"
    dmin_zeroes_background: bool = False


@dataclass(frozen=True)
class Scene:
    """All of the above, the fluence in photons/m^2, the water background term, and dmin in metres (0: none)."""

    panel: Panel
    sources: Sources
    polarization: Polarization
    lattice: Lattice
    amplitudes: Amplitudes
    weighing: Weighing
    fluence: Tensor
    background: Tensor
    has_background: bool
    dmin: float
    dtype: torch.dtype
    first_lattice: Lattice | None = None
    """The orientations of the very first evaluation where the others are stale [B02]."""

    @property
    def steps(self) -> int:
        """Evaluations that share one pixel's photons: sources x phi x domains x sub-pixels (layers do not count)."""
        return self.sources.count * self.lattice.orientations * self.panel.oversample**2

    @property
    def samples_per_pixel(self) -> int:
        """Terms of the sum in one pixel."""
        return self.panel.samples * self.sources.count * self.lattice.orientations

    @property
    def photons_per_intensity(self) -> Tensor:
        """r_e^2 * fluence / steps, formed in double precision: near 1, where its factors are 1e-30 and 1e29."""
        return R_E_SQUARED * self.fluence / float(self.steps)


@cache
def names_of(kind: Hashable) -> tuple[str, ...]:
    """The names of the fields of a kind of record."""
    return tuple(item.name for item in fields(kind))  # type: ignore[arg-type]


def tensors_of(record: Any) -> list[Tensor]:
    """Every tensor of a record and of the records in it, in field order."""
    found: list[Tensor] = []
    for name in names_of(record.__class__):
        value = getattr(record, name)
        if isinstance(value, Tensor):
            found.append(value)
        elif is_dataclass(value):
            found.extend(tensors_of(value))
    return found


Record = TypeVar("Record")


def with_tensors(record: Record, tensors: Iterable[Tensor]) -> Record:
    """The same record with other tensors, in the order of ``tensors_of``."""
    changed: Record = _with_next(record, iter(tensors))
    return changed


def _with_next(record: Any, tensors: Iterator[Tensor]) -> Any:
    changes: dict[str, Any] = {}
    for name in names_of(record.__class__):
        value = getattr(record, name)
        if isinstance(value, Tensor):
            changes[name] = next(tensors)
        elif is_dataclass(value):
            changes[name] = _with_next(value, tensors)
    return replace(record, **changes)
