"""The unselected branch of where() is the root of a negative number.
Source: https://github.com/pytorch/pytorch/issues/187297
Maintainers: NaN propagates from the inactive branch.
Expected: x[0]=N4 x[1]=N4
"""

import torch

F64 = torch.float64
kwargs = {}


def fn(p):
    x = p["x"]
    return torch.where(x > 0, torch.sqrt(x), x).sum()


params = {"x": torch.tensor([-1.0, -4.0], dtype=F64)}
