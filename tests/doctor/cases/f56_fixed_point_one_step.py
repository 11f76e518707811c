"""A fixed point found under no_grad, then one step with the graph: the gradient lacks the implicit part.
Source: https://github.com/tbmalt/tbmalt/pull/94 ("last-step" SCC gradient)
Maintainers: the last-step gradient is approximate; direct or implicit is exact.
Expected: a=W4,W6
"""

import torch

F64 = torch.float64
kwargs = {}


def fn(p):
    a = p["a"]
    x = torch.ones((), dtype=F64)
    with torch.no_grad():
        for _ in range(200):
            x = torch.cos(a * x)
    x = torch.cos(a * x)
    return x**2


params = {"a": torch.tensor(0.9, dtype=F64)}
