"""Healthy: an angle of 1e6 rad: a step of a thousandth of the value is many periods. Forward mode agrees with the gradient.
Expected: x=healthy,W3
"""

import torch

F64 = torch.float64
kwargs = {}


def fn(p):
    return torch.sin(p["x"])


params = {"x": torch.tensor(1e6 + 0.3, dtype=F64)}
