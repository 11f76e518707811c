"""Distances of padded neighbours are sqrt(0), masked afterwards by multiplication.
Source: https://github.com/atomistic-machine-learning/schnetpack/pull/6
Maintainers: 0-padded distances: division by zero in the derivative of the square root.
Expected: pos=N2
"""

import torch

F64 = torch.float64
kwargs = {}
mask = torch.tensor([1.0, 1.0, 0.0], dtype=F64)
nbr = torch.tensor([1, 2, 0])


def fn(p):
    pos = p["pos"].reshape(3, 2)
    d = (pos[nbr] - pos[torch.tensor([0, 0, 0])]).pow(2).sum(1).sqrt()
    return (mask * torch.exp(-d)).sum()


params = {"pos": torch.tensor([0.0, 0.0, 1.0, 0.2, -0.3, 1.1], dtype=F64)}
