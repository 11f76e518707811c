"""Healthy to the solver's tolerance: adaptive steps, default rtol 1e-7.
Cost: many evaluations
Expected: healthy for every parameter
"""

import torch
from torchdiffeq import odeint

F64 = torch.float64
kwargs = {}
t = torch.linspace(0, 2, 3, dtype=F64)


def fn(p):
    y = odeint(lambda t, x: torch.stack([x[1], -p["k"] * x[0] - p["c"] * x[1]]), torch.tensor([1.0, 0.0], dtype=F64), t)
    return (y[-1] ** 2).sum()


params = {"k": torch.tensor(2.0, dtype=F64), "c": torch.tensor(0.3, dtype=F64)}
