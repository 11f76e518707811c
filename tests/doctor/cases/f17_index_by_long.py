"""A float converted to long and used as an index: the gradient information is lost.
Source: https://github.com/pytorch/pytorch/issues/91431
Maintainers: an integer tensor carries no gradient; not differentiable.
Expected: x=Z5,S2,S6
"""

import torch

F64 = torch.float64
kwargs = {}
table = torch.linspace(0, 1, 32, dtype=F64) ** 2


def fn(p):
    i = (p["x"] * 10).long()
    return table[i] * 3.0


params = {"x": torch.tensor(1.234, dtype=F64)}
