"""A straight-through estimator: the gradient is deliberately not that of the (stepped) loss.
Source: https://github.com/Oneflow-Inc/oneflow/issues/8649, https://github.com/pytorch/ao/pull/4806
Maintainers: intended: forward rounds, backward passes the gradient through.
Expected: x=W4,W6
"""

import torch

F64 = torch.float64
kwargs = {}


def fn(p):
    x = p["x"]
    q = x + (torch.round(x / 0.1) * 0.1 - x).detach()
    return (q - 2.0) ** 2


params = {"x": torch.tensor(1.234, dtype=F64)}
