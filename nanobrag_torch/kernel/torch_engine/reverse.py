"""Reverse pass of a tile: from cotangents of its pixels to those of the tables, evaluating every sample anew.

With L the sum over pixels of cotangent times photons, ``bar_x`` is dL/dx, float64, of the shape of x. The sum over
orientations has its own reverse pass in ``orientations``.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from nanobrag_torch.kernel import tables as at
from nanobrag_torch.kernel.tables import Tables, WantedTables
from nanobrag_torch.kernel.torch_engine.chunks import Chunks, parts
from nanobrag_torch.kernel.torch_engine.orientations import OrientationSum
from nanobrag_torch.kernel.torch_engine.rays import (
    Instrument,
    Rays,
    SharedFactors,
    captures,
    cast_rays,
    deciding_rays,
    polarizations,
    sampled,
    scatter,
    sensor_path,
    solid_angles,
)


@dataclass
class FactorCotangents:
    """Cotangents of the direction (3, K, P), of solid angle and of capture (K, P)."""

    direction: Tensor
    omega: Tensor
    capture: Tensor

    @classmethod
    def zeros(cls, like: Tensor) -> "FactorCotangents":
        """Zeros for directions ``like`` (3, K, P)."""
        return cls(torch.zeros_like(like), torch.zeros_like(like[0]), torch.zeros_like(like[0]))


def pull_back(
    instrument: Instrument,
    orientations: OrientationSum,
    slow: Tensor,
    fast: Tensor,
    bar: Tensor,
    wanted: WantedTables,
    bars: Tables[Tensor],
    chunks: Chunks,
) -> None:
    """Reverse pass of ``image.photons``.

    Args:
        instrument: Panel, sources and sampling.
        orientations: Crystal and structure factors.
        slow: Indices (P,) of the pixels along slow.
        fast: Indices (P,) along fast.
        bar: Cotangents (P,) of the photons, float64.
        wanted: Tables whose cotangents are wanted.
        bars: Cotangents of the tables, which are added to.
        chunks: Largest numbers of samples, sources and orientations at once.
    """
    shared = SharedFactors.of(instrument, slow, fast, chunks)
    whole = FactorCotangents.zeros(bar.expand(3, 1, -1))
    whole_polar = torch.zeros_like(bar)[None]
    for _, rays in sampled(instrument, slow, fast, chunks):
        omega = solid_angles(instrument, rays) if shared.omega is None else shared.omega
        capture = captures(instrument, rays) if shared.capture is None else shared.capture
        own = FactorCotangents.zeros(rays.direction)
        for part in parts(len(instrument.sources), chunks.sources):
            q, resolved = scatter(instrument, rays, part)
            weight, form = (
                instrument.sources[part, at.WEIGHT, None],
                instrument.sources[part, at.FORM :].T[:, None, :, None],
            )
            direction = rays.direction[:, :, None]
            polar = polarizations(form, direction) if shared.polar is None else shared.polar[:, None]
            factor = (omega * capture)[:, None] * polar
            # Expanded, since factors that pixels share have one sample and one source.
            bar_sum = (instrument.panel[at.SCALE] * weight * bar * factor * resolved).expand(q.shape[1:])
            found, bar_q = orientations.pull_back(q.reshape(3, -1), bar_sum.reshape(-1), wanted, bars)
            if not wanted.rays:
                continue
            diffraction = resolved * found.reshape(q.shape[1:])
            intensity = weight * diffraction + instrument.panel[at.BACKGROUND]
            bar_polar = pull_back_intensity(instrument, part, bar, factor, diffraction, intensity, bars)
            own.omega += (bar_polar * capture[:, None] * polar).sum(1)
            own.capture += (bar_polar * omega[:, None] * polar).sum(1)
            bar_polar = bar_polar * (omega * capture)[:, None]
            if shared.polar is None:
                bar_form = pull_back_polarization(form, direction, bar_polar, own.direction)
                bars.sources[part, at.FORM :] += bar_form.sum((1, 3)).T
            else:
                whole_polar += bar_polar.sum((0, 1))
            pull_back_scattering(instrument, part, q, bar_q.reshape(q.shape), own, bars)
        if wanted.rays:
            for kept, factors in ((shared.omega, "omega"), (shared.capture, "capture")):
                if kept is not None:
                    getattr(whole, factors).add_(getattr(own, factors).sum(0))
                    getattr(own, factors).zero_()
            pull_back_rays(instrument, rays, own, bars)
    if wanted.rays:
        pull_back_shared(instrument, shared, slow, fast, whole, whole_polar, bars)


def pull_back_intensity(
    instrument: Instrument,
    part: slice,
    bar: Tensor,
    factor: Tensor,
    diffraction: Tensor,
    intensity: Tensor,
    bars: Tables[Tensor],
) -> Tensor:
    """Reverse pass from the pixels to weights of sources, scale and background.

    Args:
        instrument: Panel and sources.
        part: Sources of the chunk.
        bar: Cotangents (P,) of the photons.
        factor: Solid angle times capture times polarization, (K, S, P).
        diffraction: Sums (K, S, P) of F^2 S^2 of resolved samples.
        intensity: Weighed sums with background, (K, S, P).
        bars: Cotangents of the tables, which are added to.

    Returns:
        Cotangents (K, S, P) of ``factor``.
    """
    scale = instrument.panel[at.SCALE]
    share = bar * factor
    bars.sources[part, at.WEIGHT] += scale * (share * diffraction).sum((0, 2))
    bars.panel[at.BACKGROUND] += scale * share.expand_as(intensity).sum()
    bars.panel[at.SCALE] += (share * intensity).sum()
    return scale * bar * intensity


def pull_back_polarization(form: Tensor, direction: Tensor, bar: Tensor, bar_direction: Tensor) -> Tensor:
    """Reverse pass of ``rays.polarizations``.

    Args:
        form: The six numbers of M, (6, ...).
        direction: Unit vectors (3, ...).
        bar: Cotangents (K, S, P) of the factors.
        bar_direction: Cotangents (3, K, P) of the direction, which are added to.

    Returns:
        Cotangents (6, K, S, P) of the form.
    """
    xx, yy, zz, xy, xz, yz = form
    x, y, z = direction
    half = 0.5 * bar
    slopes = (2 * xx * x + xy * y + xz * z, 2 * yy * y + xy * x + yz * z, 2 * zz * z + xz * x + yz * y)
    for axis, slope in enumerate(slopes):
        bar_direction[axis] += (half * slope).sum(1)
    return torch.stack([half * one * two for one, two in ((x, x), (y, y), (z, z), (x, y), (x, z), (y, z))])


def pull_back_scattering(
    instrument: Instrument, part: slice, q: Tensor, bar_q: Tensor, own: FactorCotangents, bars: Tables[Tensor]
) -> None:
    """Reverse pass of q = (d - i)/wavelength, from the cotangents ``bar_q`` (3, K, S, P) to all three."""
    wavelength = instrument.sources[part, at.WAVELENGTH, None]
    bars.sources[part, at.WAVELENGTH] -= ((bar_q * q) / wavelength).sum((0, 1, 3))
    bar_difference = bar_q / wavelength
    own.direction += bar_difference.sum(2)
    bars.sources[part, : at.WAVELENGTH] -= bar_difference.sum((1, 3)).T


def pull_back_rays(instrument: Instrument, rays: Rays, own: FactorCotangents, bars: Tables[Tensor]) -> None:
    """Reverse pass from direction, solid angle and capture (``own``) to the panel."""
    panel, distance = instrument.panel, rays.distance
    share = own.omega / (distance * distance)
    bars.panel[at.OMEGA_3] += (share / distance).sum()
    bars.panel[at.OMEGA_2] += share.sum()
    bar_distance = -share * (3 * panel[at.OMEGA_3] / distance + 2 * panel[at.OMEGA_2]) / distance
    if instrument.plan.has_sensor:
        pull_back_capture(instrument, rays, own, bars)
    radial = bar_distance - (own.direction * rays.direction).sum(0) / distance
    bar = own.direction / distance + radial * rays.direction
    total, depth = bar.sum((1, 2)), (bar * rays.layer).sum((1, 2))
    fast, slow = (bar * rays.along_fast).sum((1, 2)), (bar * rays.along_slow).sum((1, 2))
    _, along, across, normal = panel[:12].reshape(4, 3)
    bars.panel[:12] += torch.cat([total, fast, slow, depth * panel[at.LAYER_STEP]])
    bars.panel[at.PIXEL_SIZE] += (fast * along + slow * across).sum() / panel[at.PIXEL_SIZE]
    bars.panel[at.LAYER_STEP] += (depth * normal).sum()


def pull_back_capture(instrument: Instrument, rays: Rays, own: FactorCotangents, bars: Tables[Tensor]) -> None:
    """Reverse pass from the capture (``own``) to the direction, the normal and the depth of a layer."""
    path, cosine = sensor_path(instrument, rays)
    layer = rays.layer
    slope = (layer + 1) * torch.exp(-(layer + 1) * path) - layer * torch.exp(-layer * path)
    share = own.capture * slope / cosine
    along = -share * path
    bars.panel[at.DEPTH] += share.sum()
    bars.panel[at.NORMAL : at.NORMAL + 3] += (along * rays.direction).sum((1, 2))
    own.direction += along * instrument.panel[at.NORMAL : at.NORMAL + 3, None, None]


def pull_back_shared(
    instrument: Instrument,
    shared: SharedFactors,
    slow: Tensor,
    fast: Tensor,
    whole: FactorCotangents,
    bar_polar: Tensor,
    bars: Tables[Tensor],
) -> None:
    """Reverse pass from the factors that one sample of each pixel decides (``whole``, ``bar_polar``) to its ray."""
    for sample, name in ((instrument.plan.omega_at, "omega"), (instrument.plan.capture_at, "capture")):
        if sample >= 0:
            rays = cast_rays(instrument, torch.full_like(slow[None], sample), slow, fast)
            own = FactorCotangents.zeros(rays.direction)
            setattr(own, name, getattr(whole, name))
            pull_back_rays(instrument, rays, own, bars)
    if shared.number is not None:
        rays, form = deciding_rays(instrument, shared.number, slow, fast)
        own = FactorCotangents.zeros(rays.direction)
        bar_polar = bar_polar * (shared.number >= 0)
        bar_form = pull_back_polarization(
            form[:, :, None], rays.direction[:, :, None], bar_polar[:, None], own.direction
        )
        source = shared.number.clamp(min=0) % len(instrument.sources)
        bars.sources[:, at.FORM :].index_add_(0, source, bar_form[:, 0, 0].T)
        pull_back_rays(instrument, rays, own, bars)
