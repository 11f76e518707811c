"""Healthy: softplus, sigmoid and exp transformed parameters with values of very different size.
Expected: healthy for every parameter
"""

import torch

F64 = torch.float64
kwargs = {}
xs = torch.linspace(0, 10, 60, dtype=F64)


def fn(p):
    y = torch.nn.functional.softplus(p["amp"]) * torch.exp(-xs / torch.exp(p["logtau"])) + torch.sigmoid(p["bg"]) * 1e-3
    return ((y - torch.exp(-xs / 2)) ** 2).sum()


params = {
    "amp": torch.tensor(0.3, dtype=F64),
    "logtau": torch.tensor(0.9, dtype=F64),
    "bg": torch.tensor(-4.0, dtype=F64),
}
