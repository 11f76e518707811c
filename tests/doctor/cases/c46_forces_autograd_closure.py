"""Healthy: forces as most packages write them: positions made inside with requires_grad, parameters from outside.
Expected: healthy for every parameter
"""

import torch

F64 = torch.float64
kwargs = {}
torch.manual_seed(0)
pos0 = torch.rand(4, 3, dtype=F64) * 2
iu = torch.triu_indices(4, 4, 1)


def fn(p):
    pos = pos0.clone().requires_grad_()
    d = (pos[iu[0]] - pos[iu[1]]).pow(2).sum(-1).sqrt()
    e = (p["eps"] * (1 - torch.exp(-(d - p["r0"]))) ** 2).sum()
    f = -torch.autograd.grad(e, pos, create_graph=True)[0]
    return ((f - 0.1) ** 2).sum()


params = {"eps": torch.tensor(0.3, dtype=F64), "r0": torch.tensor(1.1, dtype=F64)}
