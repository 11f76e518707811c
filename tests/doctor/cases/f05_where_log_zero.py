"""The unselected branch of where() is the logarithm of zero.
Source: https://github.com/pytorch/pytorch/issues/108618
Maintainers: duplicate of the where() issue: 0 * inf below where(). The loss and the image are finite.
Expected: x[0]=N4
"""

import torch

F64 = torch.float64
kwargs = {}


def fn(p):
    x = p["x"]
    return torch.where(x > 2, torch.log2(x), 2 * x).sum()


params = {"x": torch.tensor([0.0, 2.0, 3.0], dtype=F64)}
