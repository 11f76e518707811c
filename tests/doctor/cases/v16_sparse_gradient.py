"""Healthy: an embedding with sparse gradients.
Expected: t=healthy
"""

import torch

F64 = torch.float64
kwargs = {}
torch.manual_seed(0)


def fn(p):
    return torch.nn.functional.embedding(torch.tensor([1, 2]), p["t"], sparse=True).pow(2).sum()


params = {"t": torch.rand(5, 2, dtype=F64)}
