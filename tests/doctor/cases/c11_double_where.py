"""Healthy: the double where().
Source: https://github.com/kornia/kornia/pull/3980
Expected: healthy for every parameter
"""

import torch

F64 = torch.float64
kwargs = {}
x = torch.linspace(-1, 1, 9, dtype=F64)


def fn(p):
    y = p["a"] * x
    safe = torch.where(y > 0, y, torch.ones_like(y))
    return torch.where(y > 0, torch.sqrt(safe), y * 0.5).sum()


params = {"a": torch.tensor(0.7, dtype=F64)}
