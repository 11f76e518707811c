"""Hand-written derivative of x ** l without the factor l.
Source: https://github.com/ifilot/pyqint/issues/42
Maintainers: the l term was missing; the unit test had l = 1 only.
Expected: x0=W6
"""

import torch

F64 = torch.float64
kwargs = {}


class Power(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, l):
        ctx.save_for_backward(x)
        ctx.l = l
        return x**l

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * x ** (ctx.l - 1), None


r = torch.linspace(-1, 1, 21, dtype=F64)


def fn(p):
    d = r - p["x0"]
    return (Power.apply(d, 2) * torch.exp(-(d**2))).sum()


params = {"x0": torch.tensor(0.3, dtype=F64)}
