"""distribution.sample() where rsample() is needed.
Source: https://github.com/jankrepl/deepdow/pull/106, https://github.com/pytorch/pytorch/issues/7705
Maintainers: sample() makes it impossible to compute gradients, use rsample().
Expected: mu=S2,S9 sigma=S2,S9
"""

import torch

F64 = torch.float64
kwargs = {}


def fn(p):
    torch.manual_seed(3)
    d = torch.distributions.Normal(p["mu"], p["sigma"])
    return ((d.sample((64,)) - 1.0) ** 2).mean()


params = {"mu": torch.tensor(0.2, dtype=F64), "sigma": torch.tensor(0.7, dtype=F64)}
