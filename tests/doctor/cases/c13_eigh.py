"""Healthy: eigenvalues and the projector on the lowest of a matrix without degeneracy.
Expected: healthy for every parameter
"""

import torch

F64 = torch.float64
kwargs = {}
torch.manual_seed(0)
A = torch.randn(5, 5, dtype=F64)
A = A + A.T
B = torch.randn(5, 5, dtype=F64)
B = B + B.T


def fn(p):
    w, v = torch.linalg.eigh(A + p["t"] * B)
    return w[-1] + (v[:, 0] ** 2 * torch.arange(5, dtype=F64)).sum()


params = {"t": torch.tensor(0.4, dtype=F64)}
