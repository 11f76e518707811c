"""The naive call for an nn.Module: the function uses the module, not the dict that it is given.
Source: how anybody would first write it; https://github.com/EAutoDet issue 3 (which tensor does the optimiser hold?)
Expected: weight=usage
"""

import torch

F64 = torch.float64
kwargs = {}
torch.manual_seed(0)
lin = torch.nn.Linear(2, 1).double()
xs = torch.tensor([[1.0, 2.0], [0.5, -1.0]], dtype=F64)


def fn(p):
    return (lin(xs) ** 2).sum()


params = dict(lin.named_parameters())
