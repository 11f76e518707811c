"""A sum whose order changes from call to call: the last bits of the loss differ (threads, atomics, warm-started solvers).
Source: https://github.com/pytorch/pytorch/issues/2710 (gradcheck: non-reentrance by GPU non-determinism; nondet_tol)
Maintainers: for ops that need it, a tolerance is passed.
Expected: a=healthy
"""

import torch

F64 = torch.float64
kwargs = {}
calls = [0]
xs = torch.linspace(0.1, 1, 1001, dtype=F64)


def fn(p):
    calls[0] += 1
    g = torch.Generator().manual_seed(calls[0])
    order = torch.randperm(len(xs), generator=g)
    y = torch.sin(p["a"] * xs)[order]
    s = torch.zeros((), dtype=F64)
    for part in y.split(7):
        s = s + part.sum()
    return s


params = {"a": torch.tensor(0.8, dtype=F64)}
