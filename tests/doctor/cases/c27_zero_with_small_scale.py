"""Healthy: a defocus of exactly 0 whose natural scale is a micrometre (default step is 1e-3 of one metre).
Expected: dz=healthy
"""

import torch

F64 = torch.float64
x = torch.linspace(-5e-6, 5e-6, 41, dtype=F64)


def fn(p):
    return torch.exp(-(((x - 1e-6 - p["dz"]) / 1e-6) ** 2))


kwargs = {"loss": lambda im: (im * torch.linspace(0, 1, 41, dtype=F64)).sum()}
params = {"dz": torch.tensor(0.0, dtype=F64)}
