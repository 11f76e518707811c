"""Distance of two points that coincide: sqrt of a sum of squares that is exactly zero.
Source: https://github.com/pytorch/pytorch/issues/2421 (gradient of zero norm is nan)
Maintainers: the 2-norm has a square root, whose gradient is infinite at 0; 0 * inf = NaN in backward.
Expected: a=N2 b=N2
"""

import torch

F64 = torch.float64
kwargs = {}


def fn(p):
    return (p["a"] - p["b"]).pow(2).sum().sqrt()


params = {"a": torch.tensor([1.0, 2.0], dtype=F64), "b": torch.tensor([1.0, 2.0], dtype=F64)}
