"""Healthy: weighted power spectrum.
Expected: healthy for every parameter
"""

import torch

F64 = torch.float64
kwargs = {}
t = torch.linspace(0, 1, 64, dtype=F64)


def fn(p):
    y = torch.sin(2 * torch.pi * p["f"] * t) * torch.exp(-p["d"] * t)
    return (torch.fft.rfft(y).abs() ** 2 * torch.arange(33, dtype=F64)).sum()


params = {"f": torch.tensor(5.3, dtype=F64), "d": torch.tensor(1.1, dtype=F64)}
