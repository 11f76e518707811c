"""Healthy: float32 curve fit with scalar parameters (scalars do not promote float32 data).
Expected: healthy for every parameter
"""

import torch

F64 = torch.float64
kwargs = {}
xs = torch.linspace(0, 10, 200)
ys = 2.0 * torch.exp(-xs / 3.0) + 0.1


def fn(p):
    return ((p["a"] * torch.exp(-xs / p["tau"]) + p["c"] - ys) ** 2).sum()


params = {"a": torch.tensor(1.5), "tau": torch.tensor(2.0), "c": torch.tensor(0.0)}
