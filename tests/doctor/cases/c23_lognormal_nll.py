"""Healthy: likelihood by torch.distributions.
Expected: healthy for every parameter
"""

import torch

F64 = torch.float64
kwargs = {}
torch.manual_seed(0)
data = torch.rand(50, dtype=F64) + 0.2


def fn(p):
    return -torch.distributions.LogNormal(p["mu"], p["sigma"]).log_prob(data).mean()


params = {"mu": torch.tensor(0.1, dtype=F64), "sigma": torch.tensor(0.7, dtype=F64)}
