"""Healthy: a spherical-harmonic transform.
Expected: healthy for every parameter
"""

import torch
import torch_harmonics as th

F64 = torch.float64
kwargs = {}
sht = th.RealSHT(16, 32, grid="equiangular").double()
torch.manual_seed(0)
f = torch.randn(16, 32, dtype=F64)


def fn(p):
    c = sht(torch.exp(p["a"] * f * 0.1) * p["b"])
    return (c.abs() ** 2 * torch.arange(c.shape[-2], dtype=F64)[:, None]).sum()


params = {"a": torch.tensor(0.8, dtype=F64), "b": torch.tensor(1.2, dtype=F64)}
