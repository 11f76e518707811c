"""Energy and forces: forces are made with create_graph=False, the loss on forces does not reach the parameters.
Source: https://github.com/atomistic-machine-learning/schnetpack/issues/5 (force training), https://github.com/torchmd/torchmd-net/issues/77
Maintainers: create_graph=True is needed to train on forces.
Expected: eps=S2
"""

import torch

F64 = torch.float64
kwargs = {}
torch.manual_seed(0)
pos0 = torch.rand(4, 3, dtype=F64) * 2


def fn(p):
    pos = pos0.clone().requires_grad_()
    with torch.enable_grad():
        d = torch.pdist(pos)
        e = (4 * p["eps"] * (d**-12 - d**-6)).sum()
        f = -torch.autograd.grad(e, pos)[0]
    return ((f - 0.1) ** 2).sum()


params = {"eps": torch.tensor(0.3, dtype=F64)}
