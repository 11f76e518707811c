"""A wrong hand-written derivative in a model that also finds its maximum (for a plot).
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


def fn(p):
    k = p["x"].argmax()
    return Wrong.apply(p["x"]).sum() + 0 * k


params = {"x": torch.tensor([1.0, 2.0], dtype=F64)}
