"""odeint_adjoint with a parameter that is not in func.parameters(): its gradient is missing.
Source: https://github.com/rtqichen/torchdiffeq/pull/104 (issue 94), /issues/151
Maintainers: only func.parameters() are differentiated; pass adjoint_params.
Expected: a=S2
"""

import torch
from torchdiffeq import odeint_adjoint

F64 = torch.float64
kwargs = {}
t = torch.linspace(0, 1, 5, dtype=F64)


def fn(p):
    class Rhs(torch.nn.Module):
        def forward(self, t, x):
            return -p["a"] * x

    y = odeint_adjoint(Rhs(), p["x0"], t, rtol=1e-9, atol=1e-9)
    return (y**2).sum()


params = {"a": torch.tensor(0.7, dtype=F64), "x0": torch.tensor(1.5, dtype=F64)}
