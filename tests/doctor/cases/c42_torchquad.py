"""Healthy: deterministic quadrature by torchquad.
Expected: healthy for every parameter
"""

import torch
from torchquad import Simpson

F64 = torch.float64
kwargs = {}
quad = Simpson()


def fn(p):
    return quad.integrate(
        lambda x: torch.exp(-p["a"] * x[:, 0] ** 2),
        dim=1,
        N=101,
        integration_domain=torch.tensor([[0.0, 2.0]], dtype=F64),
        backend="torch",
    )


params = {"a": torch.tensor(0.8, dtype=F64)}
