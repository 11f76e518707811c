"""A wrong hand-written derivative in a model that also logs a number.
Expected: x=W6
"""

import torch

F64 = torch.float64
kwargs = {}


class Wrong(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**2

    @staticmethod
    def backward(ctx, g):
        return g * ctx.saved_tensors[0]


log = []


def fn(p):
    log.append(p["x"].sum().item())
    return Wrong.apply(p["x"]).sum()


params = {"x": torch.tensor([1.0, 2.0], dtype=F64)}
