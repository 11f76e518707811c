"""A parameter is wrapped in nn.Parameter again inside the forward pass.
Source: https://github.com/danieltan07/learning-to-reweight-examples/issues/2, https://github.com/pyro-ppl/pyro/pull/274
Provenance: pattern only: the thread reports a neighbouring problem, not this one.
Maintainers: a new Parameter is a new leaf: the gradient goes there.
Expected: w=S1,S2,S8
"""

import torch

F64 = torch.float64
kwargs = {}
lin = torch.nn.Linear(2, 1).double()
xs = torch.tensor([[1.0, 2.0], [0.5, -1.0]], dtype=F64)


def fn(p):
    lin.weight = torch.nn.Parameter(p["w"])
    return (lin(xs) ** 2).sum()


params = {"w": torch.tensor([[0.3, -0.4]], dtype=F64)}
