"""A ReLU unit whose input is negative for all data.
Source: https://github.com/pytorch/pytorch/issues/184572
Provenance: pattern only: the thread reports a neighbouring problem, not this one.
Maintainers: no gradient where the unit is off.
Expected: w=S4,Z8 b=S4,Z8
"""

import torch

F64 = torch.float64
kwargs = {}
xs = torch.linspace(0.1, 1, 20, dtype=F64)


def fn(p):
    return (torch.relu(p["w"] * xs + p["b"]) - 1.0).pow(2).mean()


params = {"w": torch.tensor(-0.5, dtype=F64), "b": torch.tensor(-3.0, dtype=F64)}
