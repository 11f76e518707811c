"""Capture of photons in the layers of a sensor."""

import torch
from torch import Tensor


def capture_fraction(layer: Tensor, step: Tensor, attenuation: Tensor, cosine: Tensor) -> Tensor:
    """Fraction of photons stopped in a layer: exp(-t s mu/w) - exp(-(t+1) s mu/w).

    Args:
        layer: Number t = 0, 1, ... of the layer.
        step: Thickness s of a layer, metres.
        attenuation: mu, 1/m.
        cosine: Cosine w between ray and normal.

    Returns:
        The fraction, of the broadcast shape.
    """
    depth = step * attenuation / cosine
    return torch.exp(-layer * depth) - torch.exp(-(layer + 1) * depth)
