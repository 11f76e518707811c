"""Poisson log-likelihood of an image with dark pixels.
Source: pattern of https://github.com/pytorch/pytorch/issues/28441 (Dirichlet log_prob at ~0)
Provenance: pattern only: the thread reports a neighbouring problem, not this one.
Maintainers: overflow of log_prob where an element is really small.
Expected: w=N7
"""

import torch

F64 = torch.float64
x = torch.linspace(-40, 40, 81, dtype=F64)


def fn(p):
    return torch.exp(-(x**2) / (2 * p["w"] ** 2))


kwargs = {"loss": lambda im: (im - 2.0 * torch.log(im)).sum()}
params = {"w": torch.tensor(0.9, dtype=F64)}
