"""The formula: photons in a pixel as a sum over its samples, in plain torch operations.

    I = (r_e^2 * fluence / steps) * sum F^2 * S^2 * Omega * polarization * capture

This is the reference that every faster path is checked against, and what autograd can differentiate to any order.
Index letters of the shapes: P pixels, K samples in a pixel (layers x sub-pixels), S sources, O orientations
(phi steps x mosaic domains). Positions and Miller indices are float64; everything after the reduction of the index to
its remainder is in the scene's dtype, so that float32 is coarser but never wrong (docs/decisions/index-in-double.md).
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from nanobrag_torch.kernel.geometry import sample_positions
from nanobrag_torch.kernel.memory import check_samples
from nanobrag_torch.kernel.weights import (
    polarization_sampling,
    sample_captures,
    sample_polarizations,
    sample_solid_angles,
    select,
    select_capture,
    weigh_running,
)
from nanobrag_torch.physics.lattice_factor import LATTICE_FACTORS
from nanobrag_torch.physics.safe import fraction
from nanobrag_torch.physics.scattering import is_resolved, miller_index, scattering_vector
from nanobrag_torch.physics.structure_factor import in_range, nearest, tricubic
from nanobrag_torch.scene import Amplitudes, Lattice, Scene


@dataclass(frozen=True)
class Samples:
    """Intermediate quantities of some pixels, named as in the formula.

    Attributes:
        position: (P, K, 3), metres.
        omega: Solid angles (P, K), steradians.
        capture: Captured fractions (P, K).
        q: Scattering vectors (P, K, S, 3), 1/m.
        resolved: (P, K, S), True within the resolution limit.
        polar: Polarization factors (P, K, S).
        h: Real Miller indices (P, K, S, O); ``k`` and ``l`` likewise.
        F_latt: Lattice factors (P, K, S, O).
        F_cell: Structure factors (P, K, S, O).
    """

    position: Tensor
    omega: Tensor
    capture: Tensor
    q: Tensor
    resolved: Tensor
    polar: Tensor
    h: Tensor
    k: Tensor
    l: Tensor
    F_latt: Tensor
    F_cell: Tensor


def samples(scene: Scene, slow: Tensor, fast: Tensor, interpolated: Tensor | bool = True) -> Samples:
    """Evaluate every factor of the formula at the samples of some pixels.

    Args:
        scene: Description of the experiment.
        slow: Indices (P,) of the pixels along slow.
        fast: Indices (P,) along fast.
        interpolated: Where a table may be interpolated, (P, K, S, O) or one flag; elsewhere the nearest entry counts.

    Returns:
        All factors, shapes as in ``Samples``.

    Raises:
        ValueError: No memory holds them.
    """
    check_samples(scene, len(slow))
    panel, sources, dtype = scene.panel, scene.sources, scene.dtype
    position = sample_positions(panel, slow, fast)
    distance = torch.sqrt((position * position).sum(-1))
    diffracted = position / distance[..., None]
    omega = sample_solid_angles(panel, distance)
    capture = sample_captures(panel, scene.weighing.blackout, diffracted)

    q = scattering_vector(diffracted, sources.directions, sources.wavelengths)
    resolved = is_resolved(q, scene.dmin)
    polar = sample_polarizations(scene.polarization, diffracted, sources.directions)

    h, k, l = (miller_index(q, direct) for direct in (scene.lattice.a, scene.lattice.b, scene.lattice.c))
    F_latt, whole = lattice_factor(scene.lattice, h, k, l, dtype)
    F_cell = structure_factor(scene.amplitudes, (h, k, l), whole, dtype, interpolated)
    return Samples(position, omega, capture, q, resolved, polar, h, k, l, F_latt, F_cell)


def photons(scene: Scene, slow: Tensor, fast: Tensor, interpolated: Tensor | bool = True) -> Tensor:
    """Photons (P,) in the pixels ``slow``, ``fast`` (P,), in the scene's dtype; arguments as of ``samples``."""
    return combine(scene, samples(scene, slow, fast, interpolated))


def combine(scene: Scene, s: Samples) -> Tensor:
    """Photons (P,): the sum over samples that have been evaluated, weighed as the scene says."""
    weighing, dtype = scene.weighing, scene.dtype
    counted = s.resolved[..., None] & torch.ones_like(s.F_latt, dtype=torch.bool)
    term = torch.where(counted, s.F_cell**2 * s.F_latt**2, torch.zeros((), dtype=dtype, device=s.F_latt.device))
    term = term * scene.sources.weights[:, None].to(dtype)

    if weighing.running:
        reached = counted if scene.has_background else counted & (s.F_latt != 0)
        intensity = weigh_running(scene, s.omega, s.capture, s.polar, s.resolved, term, reached)
    else:
        weight = (
            select(s.omega[..., None], weighing.omega, None)
            * select(s.polar, polarization_sampling(scene), s.resolved)
            * select_capture(s.capture, weighing.capture, scene.panel)[..., None]
        )
        intensity = (term.sum(-1) * weight.to(dtype)).sum((1, 2)) + background(scene, weight).to(dtype)
    if weighing.dmin_zeroes_background and scene.polarization.enabled:
        intensity = torch.where(s.resolved.any((1, 2)), intensity, torch.zeros_like(intensity))
    return intensity * scene.photons_per_intensity.to(dtype)


def background(scene: Scene, weight: Tensor) -> Tensor:
    """Water term (P,) or a scalar, for sample weights broadcastable to (P, K, S).

    Physically it is spread over the samples like the crystal's; the C program adds it once and divides it by the steps.
    """
    if not scene.has_background:
        return torch.zeros((), dtype=weight.dtype, device=weight.device)
    full = weight.expand(weight.shape[0], scene.panel.samples, scene.sources.count)
    if scene.weighing.background_model == "c":
        return scene.background * full.mean((1, 2))
    return scene.background * full.sum((1, 2)) * scene.lattice.orientations


def lattice_factor(
    lattice: Lattice,
    h: Tensor,
    k: Tensor,
    l: Tensor,
    dtype: torch.dtype,
) -> tuple[Tensor, tuple[Tensor, Tensor, Tensor]]:
    """Lattice factor at real indices, and the nearest integers.

    Args:
        lattice: Cells, reciprocal vectors and shape of the crystal.
        h: Real Miller indices of any shape, float64.
        k: The same along b.
        l: The same along c.
        dtype: Precision of all that follows the remainders.

    Returns:
        F_latt of the indices' shape, zero where its square is below the cutoff, and the three nearest integers.
    """
    (h0, dh), (k0, dk), (l0, dl) = (fraction(index) for index in (h, k, l))
    domain = lattice.domain.to(dtype)
    law = LATTICE_FACTORS[lattice.shape]
    factor = law(dh.to(dtype), dk.to(dtype), dl.to(dtype), domain)
    if lattice.cutoff:
        zero = torch.zeros((), dtype=dtype, device=factor.device)
        least = math.sqrt(lattice.cutoff) * law(zero, zero, zero, domain).detach()
        factor = torch.where(factor.abs() < least, zero, factor)
    return factor, (h0, k0, l0)


def structure_factor(
    amplitudes: Amplitudes,
    real: tuple[Tensor, Tensor, Tensor],
    whole: tuple[Tensor, Tensor, Tensor],
    dtype: torch.dtype,
    interpolated: Tensor | bool = True,
) -> Tensor:
    """Structure factor at real indices.

    Args:
        amplitudes: Table, and the amplitude outside it.
        real: The three real Miller indices, of one shape: (P, K, S, O) where every channel has its table.
        whole: The nearest integers.
        dtype: Precision of the result.
        interpolated: Where the table may be interpolated, of that shape or one flag.

    Returns:
        F_cell of that shape.
    """
    if amplitudes.channels is not None:
        return _structure_factors_of_channels(amplitudes, real, whole, dtype, interpolated)
    default = amplitudes.default_F.to(dtype)
    if amplitudes.table is None:
        return default.expand(real[0].shape)
    table = amplitudes.table.to(dtype)
    value = nearest(table, amplitudes.minimum, default, *whole)
    if not amplitudes.interpolate or interpolated is False:
        return value
    smooth = in_range(table, amplitudes.minimum, *real, amplitudes.margin) & interpolated
    return torch.where(smooth, tricubic(table, amplitudes.minimum, *real, dtype), value)


def _structure_factors_of_channels(
    amplitudes: Amplitudes,
    real: tuple[Tensor, Tensor, Tensor],
    whole: tuple[Tensor, Tensor, Tensor],
    dtype: torch.dtype,
    interpolated: Tensor | bool,
) -> Tensor:
    """``structure_factor`` where every channel, innermost among the sources, has its own table."""
    count = amplitudes.channels
    assert count is not None

    def part(values: tuple[Tensor, Tensor, Tensor], channel: int) -> tuple[Tensor, Tensor, Tensor]:
        h, k, l = (each[:, :, channel::count] for each in values)
        return h, k, l

    found = [
        structure_factor(
            amplitudes.of_channel(channel), part(real, channel), part(whole, channel), dtype,
            interpolated if isinstance(interpolated, bool) else interpolated[:, :, channel::count],
        )
        for channel in range(count)
    ]  # fmt: skip
    return torch.stack(found, dim=3).flatten(2, 3)
