"""p-norm with p = 0.5 and an element that is zero: the true slope there is infinite, torch gives 0 or NaN.
Source: https://github.com/pytorch/pytorch/issues/44452
Maintainers: gradients are NaN for zero values when 0 < p < 1 (now masked to 0).
Expected: x[0]=N2,W3
"""

import torch

F64 = torch.float64
kwargs = {}


def fn(p):
    return p["x"].norm(p=0.5)


params = {"x": torch.tensor([0.0, 2.0, 3.0], dtype=F64)}
