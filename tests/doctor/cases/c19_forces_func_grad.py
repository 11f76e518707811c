"""Healthy: a loss on forces, by torch.func.grad (Lennard-Jones).
Expected: healthy for every parameter
"""

import torch

F64 = torch.float64
kwargs = {}
torch.manual_seed(0)
pos0 = torch.rand(5, 3, dtype=F64) * 3


def energy(pos, eps, sigma):
    i, j = torch.triu_indices(5, 5, 1)
    s6 = (sigma**2 / (pos[i] - pos[j]).pow(2).sum(-1)) ** 3
    return (4 * eps * (s6**2 - s6)).sum()


def fn(p):
    f = -torch.func.grad(energy)(pos0, p["eps"], p["sigma"])
    return ((f - 0.1) ** 2).mean()


params = {"eps": torch.tensor(0.3, dtype=F64), "sigma": torch.tensor(0.5, dtype=F64)}
