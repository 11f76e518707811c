"""Healthy: 200 scalar parameters.
Cost: many evaluations
Expected: healthy for every parameter
"""

import torch

F64 = torch.float64
kwargs = {}
xs = torch.linspace(0, 1, 50, dtype=F64)


def fn(p):
    y = sum(v * torch.exp(-(((xs - k / 200) / 0.05) ** 2)) for k, v in enumerate(p.values()))
    return ((y - 1) ** 2).sum()


params = {f"a{k}": torch.tensor(0.01 * (k % 7) + 0.1, dtype=F64) for k in range(200)}
