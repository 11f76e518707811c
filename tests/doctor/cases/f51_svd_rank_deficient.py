"""Orthogonal Procrustes by SVD of a matrix with two singular values that are zero.
Source: https://github.com/pytorch/pytorch/issues/49886, https://github.com/naver/roma/issues/6
Maintainers: gradients are not well defined for such inputs; detect them by the singular values.
Expected: s=N1
"""

import torch

F64 = torch.float64
kwargs = {}
base = torch.outer(torch.tensor([1.0, 2.0, 2.0], dtype=F64), torch.tensor([0.0, 3.0, 4.0], dtype=F64))


def fn(p):
    u, _s, vh = torch.linalg.svd(p["s"] * base)
    return ((u @ vh) * torch.arange(9.0, dtype=F64).reshape(3, 3)).sum()


params = {"s": torch.tensor(0.1, dtype=F64)}
