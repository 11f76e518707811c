"""Capture of photons in the layers of a sensor."""

import torch
from torch import Tensor


def capture_fraction(layer: Tensor, step: Tensor, attenuation: Tensor, cosine: Tensor) -> Tensor:
    """Fraction of photons stopped in a layer: exp(-t s mu/w) - exp(-(t+1) s mu/w).

    ``layer`` t = 0, 1, ...; ``step`` s in metres; ``attenuation`` mu in 1/m; ``cosine`` w between ray and normal.
    """
    depth = step * attenuation / cosine
    return torch.exp(-layer * depth) - torch.exp(-(layer + 1) * depth)
