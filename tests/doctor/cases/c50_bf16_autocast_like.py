"""Healthy in its own precision: a bfloat16 linear layer.
Expected: healthy for every parameter
"""

import torch

F64 = torch.float64
kwargs = {}
torch.manual_seed(0)
net = torch.nn.Linear(4, 4).to(torch.bfloat16)
xs = torch.randn(8, 4).to(torch.bfloat16)


def fn(p):
    return torch.func.functional_call(net, p, (xs,)).float().pow(2).mean()


params = dict(net.named_parameters())
