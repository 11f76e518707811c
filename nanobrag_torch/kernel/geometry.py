"""Positions of the samples of pixels, on flat and curved detectors."""

import torch
from torch import Tensor

from nanobrag_torch.kernel.memory import check_positions
from nanobrag_torch.physics.rotation import about_axis
from nanobrag_torch.physics.safe import unit
from nanobrag_torch.scene import Panel


def sample_positions(panel: Panel, slow: Tensor, fast: Tensor) -> Tensor:
    """Positions (P, K, 3) in metres of the K = layers x oversample^2 samples of pixels ``slow``, ``fast`` (P,).

    K runs over layers (outer), sub-pixels along slow, sub-pixels along fast (inner), as the C program loops.
    Raises ``ValueError`` where no memory holds them.
    """
    check_positions(panel, len(slow))
    n = panel.oversample
    dtype, device = panel.origin.dtype, panel.origin.device
    sub = torch.arange(n, dtype=dtype, device=device)
    size = panel.pixel_size / n
    along_slow = size * (slow[:, None].to(dtype) * n + sub) + size / 2
    along_fast = size * (fast[:, None].to(dtype) * n + sub) + size / 2
    depth = torch.arange(panel.layers, dtype=dtype, device=device) * panel.layer_step
    flat = (
        panel.origin
        + along_fast[:, None, None, :, None] * panel.fast
        + along_slow[:, None, :, None, None] * panel.slow
        + depth[None, :, None, None, None] * panel.normal
    ).reshape(len(slow), panel.samples, 3)
    return {"flat": _flat, "c": _curved_c, "exact": _curved}[panel.curved](panel, flat)


def _flat(panel: Panel, flat: Tensor) -> Tensor:
    return flat


def _curved(panel: Panel, flat: Tensor) -> Tensor:
    """Equal distances on the flat detector become equal angles at the sample, along fast and along slow."""
    spot = panel.distance * panel.beam
    angle_fast = ((flat - spot) * panel.fast).sum(-1) / panel.distance
    angle_slow = ((flat - spot) * panel.slow).sum(-1) / panel.distance
    towards_fast = unit(torch.linalg.cross(panel.beam, panel.fast))
    towards_slow = unit(torch.linalg.cross(panel.beam, panel.slow))
    return about_axis(about_axis(spot, towards_fast, angle_fast), towards_slow, angle_slow)


def _curved_c(panel: Panel, flat: Tensor) -> Tensor:
    """The C program's mapping, which interchanges the two offsets of an x-beam convention [B14]."""
    spot = panel.distance * panel.beam
    once = about_axis(spot, panel.slow, flat[..., 1] / panel.distance)
    return about_axis(once, panel.fast, flat[..., 2] / panel.distance)
