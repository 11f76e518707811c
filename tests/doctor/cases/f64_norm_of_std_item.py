"""Normalisation by a number taken out with item().
Source: none (a common pattern; no thread was looked up)
Provenance: pattern only: the thread reports a neighbouring problem, not this one.
Expected: a=W4
"""

import torch

F64 = torch.float64
kwargs = {}
xs = torch.linspace(0, 1, 9, dtype=F64)


def fn(p):
    y = torch.exp(p["a"] * xs)
    return ((y / y.max().item() - 0.2) ** 2).sum()


params = {"a": torch.tensor(0.7, dtype=F64)}
