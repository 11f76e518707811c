"""Factors that vary within a pixel (solid angle, polarization, capture), and the samples that weigh it.

Physically each sample has its own; the C program takes some from the first sample of a pixel, some from the last layer,
or multiplies them into the running total [B04, B05, B06] (docs/deviations-of-c.md).
"""

import torch
from torch import Tensor

from nanobrag_torch.compat import Sampling
from nanobrag_torch.physics.absorption import capture_fraction
from nanobrag_torch.physics.polarization import polarization_factor
from nanobrag_torch.physics.solid_angle import point_solid_angle, solid_angle
from nanobrag_torch.scene import Panel, Polarization, Scene


def sample_solid_angles(panel: Panel, distance: Tensor) -> Tensor:
    """Solid angles (P, K) at distances (P, K)."""
    if panel.point_pixel:
        return point_solid_angle(distance)
    return solid_angle(distance, panel.pixel_size, panel.close_distance)


def sample_captures(panel: Panel, blackout: bool, diffracted: Tensor) -> Tensor:
    """Capture fractions (P, K) for directions (P, K, 3); 1 without a sensor, or 0 where that blackens [B06]."""
    if not panel.has_sensor:
        return torch.full_like(diffracted[..., 0], 0.0 if blackout else 1.0)
    layer = torch.arange(panel.layers, device=diffracted.device).repeat_interleave(panel.oversample**2)
    cosine = (diffracted * panel.normal).sum(-1)
    return capture_fraction(layer.to(diffracted.dtype), panel.layer_step, panel.attenuation, cosine)


def sample_polarizations(polarization: Polarization, diffracted: Tensor, incident: Tensor) -> Tensor:
    """Polarization factors (P, K, S) for directions (P, K, 3) and incident (S, 3)."""
    if not polarization.enabled:
        return torch.ones((*diffracted.shape[:-1], len(incident)), dtype=diffracted.dtype, device=diffracted.device)
    return polarization_factor(diffracted, incident, polarization.axis, polarization.kahn)


def polarization_sampling(scene: Scene) -> Sampling:
    """Sample whose polarization weighs a pixel; where polarization is off it is 1 for every sample, culled or not."""
    return scene.weighing.polar if scene.polarization.enabled else "per_sample"


def select(values: Tensor, sampling: str, alive: Tensor | None) -> Tensor:
    """Values (P, K, S) of each sample, or (P, 1, 1) of the first or last that is alive, 0 if none is."""
    if sampling == "per_sample":
        return values
    flat = values.flatten(1)
    flat = flat if sampling == "first" else flat.flip(1)
    if alive is None:
        return flat[:, :1, None]
    order = alive.flatten(1) if sampling == "first" else alive.flatten(1).flip(1)
    chosen = flat.gather(1, order.to(torch.uint8).argmax(1, keepdim=True))
    return torch.where(order.any(1, keepdim=True), chosen, torch.zeros_like(chosen))[..., None]


def select_capture(values: Tensor, sampling: str, panel: Panel) -> Tensor:
    """Capture fractions (P, K) of each sample, or (P, 1) of the last layer's first sub-pixel [B04]."""
    return values if sampling == "per_layer" else values[:, -(panel.oversample**2)][:, None]


def weigh_running(
    scene: Scene, omega: Tensor, capture: Tensor, polar: Tensor, resolved: Tensor, term: Tensor, reached: Tensor
) -> Tensor:
    """Sum in which flagged factors multiply everything added so far [B05].

    With factors g of the samples that reach the accumulation, in the order of the C program's loops:
    I = background * prod(g) + sum_k term_k * prod_{j >= k} g_j. Unflagged factors are applied once at the end.

    Args:
        scene: Description of the experiment; its weighing flags the factors.
        omega: Solid angles (P, K).
        capture: Captured fractions (P, K).
        polar: Polarization factors (P, K, S).
        resolved: (P, K, S), True within the resolution limit.
        term: Intensities (P, K, S, O) to add.
        reached: (P, K, S, O), True where a sample reaches the accumulation.

    Returns:
        Sums (P,).
    """
    weighing, shape = scene.weighing, term.shape
    factors = {"omega": omega[..., None, None], "capture": capture[..., None, None], "polar": polar[..., None]}
    g = torch.ones(shape, dtype=omega.dtype, device=omega.device)
    for name in weighing.running:
        g = g * factors[name]
    g = torch.where(reached, g, torch.ones_like(g)).flatten(1)
    later = g.flip(1).cumprod(1).flip(1)
    total = (torch.where(reached, term, torch.zeros_like(term)).flatten(1) * later.to(term.dtype)).sum(1)
    if scene.has_background:
        total = total + (scene.background * later[:, 0]).to(term.dtype)
    once = {
        "omega": select(omega[..., None], weighing.omega, None),
        "polar": select(polar, polarization_sampling(scene), resolved),
        "capture": select_capture(capture, weighing.capture, scene.panel)[..., None],
    }
    for name in once.keys() - set(weighing.running):
        total = total * once[name][:, 0, 0].to(term.dtype)
    return total
