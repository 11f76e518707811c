"""Healthy: a float32 convolution of float32 data.
Expected: w=healthy
"""

import torch

F64 = torch.float64
kwargs = {}
torch.manual_seed(0)
xs = torch.randn(1, 1, 50)


def fn(p):
    return torch.nn.functional.conv1d(xs, p["w"]).pow(2).mean()


params = {"w": torch.randn(1, 1, 3)}
