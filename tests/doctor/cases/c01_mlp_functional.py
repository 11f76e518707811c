"""Healthy: an MLP by functional_call, float64.
Expected: healthy for every parameter
"""

import torch

F64 = torch.float64
kwargs = {}
torch.manual_seed(0)
net = torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1)).double()
xs = torch.randn(16, 3, dtype=F64)
ys = torch.randn(16, 1, dtype=F64)


def fn(p):
    return ((torch.func.functional_call(net, p, (xs,)) - ys) ** 2).mean()


params = dict(net.named_parameters())
