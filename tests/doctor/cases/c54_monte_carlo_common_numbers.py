"""Healthy: Monte Carlo with a generator seeded inside, reparametrised.
Expected: healthy for every parameter
"""

import torch

F64 = torch.float64
kwargs = {}


def fn(p):
    g = torch.Generator().manual_seed(0)
    z = torch.randn(2000, generator=g, dtype=F64)
    return torch.exp(p["mu"] + p["s"] * z).mean()


params = {"mu": torch.tensor(0.1, dtype=F64), "s": torch.tensor(0.4, dtype=F64)}
