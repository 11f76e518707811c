"""The unselected branch of where() divides by zero.
Source: https://github.com/pytorch/pytorch/issues/52248
Maintainers: 0/0 in the branch that is not used.
Expected: a=N4
"""

import torch

F64 = torch.float64
kwargs = {}


def fn(p):
    a = p["a"]
    t = torch.zeros((), dtype=F64)
    return torch.where(a >= 0, a, a / t)


params = {"a": torch.tensor(0.7, dtype=F64)}
