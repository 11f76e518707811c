"""Healthy: the model pops its parameters from the dict.
Expected: x=healthy
"""

import torch

F64 = torch.float64
kwargs = {}


def fn(p):
    x = p.pop("x")
    return x**2


params = {"x": torch.tensor(3.0, dtype=F64)}
