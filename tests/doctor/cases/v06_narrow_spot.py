"""Healthy: a peak of relative width 1e-6. Forward mode agrees with the gradient.
Expected: x=healthy,W3
"""

import torch

F64 = torch.float64
kwargs = {}


def fn(p):
    return torch.exp(-(((p["x"] - 1.0000005) / 1e-6) ** 2))


params = {"x": torch.tensor(1.0, dtype=F64)}
