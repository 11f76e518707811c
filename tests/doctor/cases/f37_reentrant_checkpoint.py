"""A model under reentrant checkpointing: autograd.grad is refused there, backward() works and is right.
Source: https://github.com/pytorch/pytorch/pull/69027 (checkpoint without reentrant autograd)
Maintainers: reentrant checkpointing supports backward() only, not autograd.grad.
Expected: w=healthy
"""

import torch
from torch.utils.checkpoint import checkpoint

F64 = torch.float64
kwargs = {}
xs = torch.linspace(0, 1, 9, dtype=F64)


def fn(p):
    h = checkpoint(lambda w: torch.tanh(w * xs), p["w"], use_reentrant=True)
    return (h**2).sum()


params = {"w": torch.tensor(0.7, dtype=F64)}
