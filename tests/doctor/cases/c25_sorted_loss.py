"""Healthy: sorted values (Wasserstein distance of samples), no ties.
Expected: healthy for every parameter
"""

import torch

F64 = torch.float64
kwargs = {}
torch.manual_seed(0)
a = torch.randn(30, dtype=F64)
b = torch.randn(30, dtype=F64)


def fn(p):
    return ((torch.sort(a * p["s"] + p["m"]).values - torch.sort(b).values) ** 2).mean()


params = {"s": torch.tensor(1.4, dtype=F64), "m": torch.tensor(0.3, dtype=F64)}
