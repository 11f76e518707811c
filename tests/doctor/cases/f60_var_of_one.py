"""Unbiased variance of a single element.
Source: https://github.com/pytorch/pytorch/issues/94184, /issues/29372
Maintainers: division by N - 1 = 0: NaN is expected.
Expected: x=N1
"""

import torch

F64 = torch.float64
kwargs = {}


def fn(p):
    v = torch.stack([p["x"]])
    return v.var() + p["x"]


params = {"x": torch.tensor(1.0, dtype=F64)}
