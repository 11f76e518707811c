"""Healthy: a float32 linear layer on float32 data.
Expected: healthy for every parameter
"""

import torch

F64 = torch.float64
kwargs = {}
torch.manual_seed(0)
net = torch.nn.Linear(3, 1)
xs = torch.randn(8, 3)


def fn(p):
    return torch.func.functional_call(net, p, (xs,)).pow(2).mean()


params = dict(net.named_parameters())
