"""Healthy: the usual way to write forces: positions require a gradient, autograd.grad with create_graph.
Source: https://github.com/atomistic-machine-learning/schnetpack/issues/5
Expected: healthy for every parameter
"""

import torch

F64 = torch.float64
kwargs = {}
torch.manual_seed(0)


def fn(p):
    pos = p["pos"]
    pos.requires_grad_()
    x = pos.reshape(2, 3)
    d = ((x[0] - x[1]) ** 2).sum().sqrt()
    e = (p["eps"] * (1 - torch.exp(-(d - 1.0))) ** 2).sum()
    f = -torch.autograd.grad(e, pos, create_graph=True)[0]
    return (f**2).sum() + e


params = {"pos": torch.tensor([0.0, 0.1, 0.2, 1.1, 0.4, 0.3], dtype=F64), "eps": torch.tensor(0.3, dtype=F64)}
