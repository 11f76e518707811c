"""Missing data (NaN) in the residual, selected away by where(): loss finite, gradient NaN.
Source: https://github.com/pytorch/pytorch/issues/156212
Maintainers: where() sends 0 * NaN back.
Expected: a=N4
"""

import torch

F64 = torch.float64
kwargs = {}
data = torch.tensor([1.0, float("nan"), 2.0], dtype=F64)


def fn(p):
    r = torch.exp(p["a"] * data)
    return torch.where(torch.isnan(data), torch.zeros_like(r), r).sum()


params = {"a": torch.tensor(0.5, dtype=F64)}
