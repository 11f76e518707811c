"""The derivative of an interpolated map is taken by autograd.grad without create_graph and then used.
Source: https://github.com/optiland/optiland/pull/605
Maintainers: create_graph=False computes the values but keeps no graph: the height map cannot be optimised.
Expected: c=S2
"""

import torch

F64 = torch.float64
kwargs = {}
r = torch.linspace(-1, 1, 11, dtype=F64)


def fn(p):
    x = r.clone().requires_grad_()
    with torch.enable_grad():
        h = p["c"] * (2 * x**2 - 1)
        slope = torch.autograd.grad(h.sum(), x)[0]
    return ((slope + r) ** 2).sum()


params = {"c": torch.tensor(0.4, dtype=F64)}
