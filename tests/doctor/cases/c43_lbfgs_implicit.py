"""Healthy: implicit function: a root found without a graph, then one exact Newton step attaches it (right to first order).
Expected: a=healthy
"""

import torch

F64 = torch.float64
kwargs = {}


def fn(p):
    a = p["a"]
    with torch.no_grad():
        x = torch.ones((), dtype=F64)
        for _ in range(60):
            x = x - (x - torch.cos(a * x)) / (1 + a * torch.sin(a * x))
    x = x - (x - torch.cos(a * x)) / (1 + (a * torch.sin(a * x)).detach())
    return x**2


params = {"a": torch.tensor(0.9, dtype=F64)}
