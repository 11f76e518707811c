"""Healthy: charges spread on a grid with linear weights, position inside of a cell.
Expected: healthy for every parameter
"""

import torch

F64 = torch.float64
kwargs = {}
q = torch.tensor([1.0, -0.5, 2.0], dtype=F64)
base = torch.tensor([1.3, 4.6, 7.2], dtype=F64)


def fn(p):
    x = base + p["shift"]
    i = torch.floor(x).long()
    w = x - i
    grid = torch.zeros(12, dtype=F64).index_add(0, i, q * (1 - w)).index_add(0, i + 1, q * w)
    return (grid * torch.arange(12, dtype=F64) ** 2).sum()


params = {"shift": torch.tensor(0.11, dtype=F64)}
