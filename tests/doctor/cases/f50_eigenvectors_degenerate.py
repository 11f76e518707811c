"""Eigenvectors of a matrix with equal eigenvalues.
Source: https://github.com/pytorch/pytorch/issues/47599, /issues/49886
Maintainers: the gradient of eigenvectors divides by differences of eigenvalues: undefined when they are equal.
Expected: a=N1
"""

import torch

F64 = torch.float64
kwargs = {}


def fn(p):
    m = torch.diag(torch.stack([p["a"], torch.ones((), dtype=F64), 2 * torch.ones((), dtype=F64)]))
    _w, v = torch.linalg.eigh(m)
    return (v[:, 0] * torch.tensor([1.0, 2.0, 3.0], dtype=F64)).sum() ** 2


params = {"a": torch.tensor(1.0, dtype=F64)}
