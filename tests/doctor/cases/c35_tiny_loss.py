"""Healthy: a loss of 1e-24.
Expected: healthy for every parameter
"""

import torch

F64 = torch.float64
kwargs = {}
xs = torch.linspace(0, 1, 50, dtype=F64)


def fn(p):
    return (torch.exp(-p["a"] * xs) * 1e-12).pow(2).mean()


params = {"a": torch.tensor(0.8, dtype=F64)}
