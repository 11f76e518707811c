"""Cosine similarity by hand with a vector of length zero.
Source: https://github.com/aiqm/torchani/pull/561
Maintainers: v1.v2 / (|v1| |v2|) is singular when one distance is zero: NaN energy.
Expected: a=N1 b=N1
"""

import torch

F64 = torch.float64
kwargs = {}


def fn(p):
    v1, v2 = p["a"], p["b"]
    return torch.acos(0.95 * (v1 * v2).sum() / (v1.norm() * v2.norm()))


params = {"a": torch.zeros(3, dtype=F64), "b": torch.tensor([1.0, 0.0, 0.0], dtype=F64)}
