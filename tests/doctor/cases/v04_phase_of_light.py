"""Healthy: the phase of light over a metre (interferometer). Forward mode agrees with the gradient.
Expected: x=healthy,W3
"""

import torch

F64 = torch.float64
kwargs = {}


def fn(p):
    return torch.cos(2 * torch.pi * p["x"] / 5e-7) + 2


params = {"x": torch.tensor(1.0000000713, dtype=F64)}
