"""Maximum of equal values: the gradient is shared.
Source: https://github.com/pytorch/pytorch/issues/56734
Maintainers: a subgradient: split evenly.
Expected: a=D2 b=D2
"""

import torch

F64 = torch.float64
kwargs = {}


def fn(p):
    return torch.maximum(p["a"], p["b"]) * 3.0 + 0.5 * p["a"]


params = {"a": torch.tensor(1.0, dtype=F64), "b": torch.tensor(1.0, dtype=F64)}
