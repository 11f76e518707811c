"""Healthy: batch norm in training mode (running statistics change, the loss does not).
Expected: healthy for every parameter
"""

import torch

F64 = torch.float64
kwargs = {}
torch.manual_seed(0)
bn = torch.nn.BatchNorm1d(3).double()
xs = torch.randn(20, 3, dtype=F64)


def fn(p):
    return (torch.tanh(bn(xs * p["a"] + p["b"] * xs**2)) * xs).pow(2).mean()


params = {"a": torch.tensor(0.7, dtype=F64), "b": torch.tensor(0.2, dtype=F64)}
