"""Healthy: a small convolutional network in float32, 1e4 parameters.
Expected: healthy for every parameter
"""

import torch

F64 = torch.float64
kwargs = {}
torch.manual_seed(0)
net = torch.nn.Sequential(
    torch.nn.Conv2d(1, 16, 3),
    torch.nn.SiLU(),
    torch.nn.Conv2d(16, 32, 3),
    torch.nn.SiLU(),
    torch.nn.Flatten(),
    torch.nn.Linear(32 * 16, 10),
)
xs = torch.randn(4, 1, 8, 8)
ys = torch.tensor([1, 3, 5, 7])


def fn(p):
    return torch.nn.functional.cross_entropy(torch.func.functional_call(net, p, (xs,)), ys)


params = dict(net.named_parameters())
