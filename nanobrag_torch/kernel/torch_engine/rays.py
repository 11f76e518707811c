"""Rays of the pixels of a tile: positions and directions of samples, and the factors that vary within a pixel."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from nanobrag_torch.kernel import tables as at
from nanobrag_torch.kernel.pixel_plan import PixelPlan
from nanobrag_torch.kernel.torch_engine.chunks import Chunks, parts


@dataclass(frozen=True)
class Instrument:
    """The tables of panel (19,) and sources (S, 11), and the sampling of a pixel."""

    panel: Tensor
    sources: Tensor
    plan: PixelPlan


@dataclass(frozen=True)
class Rays:
    """Rays to samples of pixels, (K, P) each, where K is 1 if each pixel has a sample of its own.

    Attributes:
        layer: Layer of the sensor.
        along_fast: Distance from the corner of the detector along fast, metres.
        along_slow: The same along slow.
        distance: Distance from the crystal, metres.
        direction: Unit vectors (3, K, P).
    """

    layer: Tensor
    along_fast: Tensor
    along_slow: Tensor
    distance: Tensor
    direction: Tensor


def cast_rays(instrument: Instrument, sample: Tensor, slow: Tensor, fast: Tensor) -> Rays:
    """Rays to samples of pixels, by the operations of ``kernel.geometry`` in their order.

    Args:
        instrument: Panel and sampling.
        sample: Numbers of the samples, (K, 1) or (1, P).
        slow: Indices (P,) of the pixels along slow.
        fast: Indices (P,) along fast.
    """
    n, panel = instrument.plan.oversample, instrument.panel
    layer = sample // n**2
    size = panel[at.PIXEL_SIZE] / n
    along_fast = size * (fast * n + sample % n).to(panel.dtype) + size / 2
    along_slow = size * (slow * n + sample // n % n).to(panel.dtype) + size / 2
    depth = layer * panel[at.LAYER_STEP]
    origin, along, across, normal = panel[:12].reshape(4, 3, 1, 1)
    position = origin + along_fast * along + along_slow * across + depth * normal
    x, y, z = position * position
    distance = torch.sqrt(x + y + z)
    return Rays(layer, along_fast, along_slow, distance, position / distance)


def scatter(instrument: Instrument, rays: Rays, part: slice) -> tuple[Tensor, Tensor]:
    """Scattering vectors (3, K, S, P) in 1/m for some sources, and 1 where the sample is resolved, else 0."""
    sources = instrument.sources[part]
    incident = sources[:, : at.WAVELENGTH].T[:, None, :, None]
    q = (rays.direction[:, :, None] - incident) / sources[:, at.WAVELENGTH, None]
    if instrument.plan.dmin_squared == 0:
        return q, torch.ones_like(q[0, :1, :1, :1])
    x, y, z = q * q
    square = x + y + z
    return q, ((square <= 0) | (instrument.plan.dmin_squared * square <= 1)).to(q.dtype)


def solid_angles(instrument: Instrument, rays: Rays) -> Tensor:
    """Solid angles (K, P)."""
    panel, distance = instrument.panel, rays.distance
    return (panel[at.OMEGA_3] / distance + panel[at.OMEGA_2]) / (distance * distance)


def sensor_path(instrument: Instrument, rays: Rays) -> tuple[Tensor, Tensor]:
    """Path (K, P) through one layer in attenuation lengths, and the cosine between ray and normal."""
    normal = instrument.panel[at.NORMAL : at.NORMAL + 3, None, None]
    cosine = (rays.direction * normal).sum(0)
    return instrument.panel[at.DEPTH] / cosine, cosine


def captures(instrument: Instrument, rays: Rays) -> Tensor:
    """Captured fractions (K, P)."""
    if not instrument.plan.has_sensor:
        return torch.full_like(rays.distance, instrument.plan.bare_capture)
    path, _ = sensor_path(instrument, rays)
    return torch.exp(-rays.layer * path) - torch.exp(-(rays.layer + 1) * path)


def polarizations(form: Tensor, direction: Tensor) -> Tensor:
    """Polarization factors (1 + d M d)/2 for the six numbers of M, ``form`` (6, ...), and the direction d (3, ...)."""
    xx, yy, zz, xy, xz, yz = form
    x, y, z = direction
    factor: Tensor = 0.5 * (1 + x * (xx * x + xy * y + xz * z) + y * (yy * y + yz * z) + zz * z * z)
    return factor


@dataclass(frozen=True)
class SharedFactors:
    """Factors of each pixel's deciding sample, or None where every sample has its own.

    Attributes:
        omega: Solid angles (1, P).
        capture: Captured fractions (1, P).
        polar: Polarization factors (1, P), 0 where no sample decides.
        number: Sample times sources plus source (P,) that decides the polarization, -1 where there is none.
    """

    omega: Tensor | None
    capture: Tensor | None
    polar: Tensor | None
    number: Tensor | None

    @classmethod
    def of(cls, instrument: Instrument, slow: Tensor, fast: Tensor, chunks: Chunks) -> "SharedFactors":
        """Evaluate them for pixels ``slow``, ``fast`` (P,)."""

        def rays(sample: int) -> Rays:
            return cast_rays(instrument, torch.full_like(slow[None], sample), slow, fast)

        omega = None if instrument.plan.omega_at < 0 else solid_angles(instrument, rays(instrument.plan.omega_at))
        capture = None if instrument.plan.capture_at < 0 else captures(instrument, rays(instrument.plan.capture_at))
        if instrument.plan.polar_first == 0:
            return cls(omega, capture, None, None)
        number = deciding_samples(instrument, slow, fast, chunks)
        own, form = deciding_rays(instrument, number, slow, fast)
        polar = polarizations(form, own.direction) * (number >= 0)
        return cls(omega, capture, polar, number)


def deciding_samples(instrument: Instrument, slow: Tensor, fast: Tensor, chunks: Chunks) -> Tensor:
    """Number (P,) of the first (or last) resolved sample of every pixel, -1 where there is none."""
    sources = len(instrument.sources)
    last = instrument.plan.samples * sources - 1
    if instrument.plan.dmin_squared == 0:
        return torch.full_like(slow, 0 if instrument.plan.polar_first > 0 else last)
    # Counted from the end that decides, so that the smallest wins.
    best = torch.full_like(slow, last + 1)
    for sample, rays in sampled(instrument, slow, fast, chunks):
        for part in parts(sources, chunks.sources):
            _, resolved = scatter(instrument, rays, part)
            source = torch.arange(part.start, part.stop, device=slow.device)
            number = (sample * sources + source)[..., None]
            turn = number if instrument.plan.polar_first > 0 else last - number
            best = torch.minimum(best, torch.where(resolved > 0, turn, last + 1).amin((0, 1)))
    found = best if instrument.plan.polar_first > 0 else last - best
    return torch.where(best > last, -1, found)


def deciding_rays(instrument: Instrument, number: Tensor, slow: Tensor, fast: Tensor) -> tuple[Rays, Tensor]:
    """Rays to the deciding samples, and the forms (6, 1, P) of their sources; those of number 0 where there is none."""
    number = number.clamp(min=0)
    sources = len(instrument.sources)
    form = instrument.sources[number % sources, at.FORM :].T[:, None]
    return cast_rays(instrument, (number // sources)[None], slow, fast), form


def sampled(instrument: Instrument, slow: Tensor, fast: Tensor, chunks: Chunks) -> Iterator[tuple[Tensor, Rays]]:
    """Samples of pixels, chunk by chunk: their numbers (K, 1) and rays."""
    for part in parts(instrument.plan.samples, chunks.samples):
        sample = torch.arange(part.start, part.stop, device=slow.device)[:, None]
        yield sample, cast_rays(instrument, sample, slow, fast)
