"""The place in a larger tensor: one NaN element of 10 000.
Expected: x=N2
"""

import torch

F64 = torch.float64
kwargs = {}
torch.manual_seed(0)
x0 = torch.rand(10000, dtype=F64) + 0.1
x0[777] = 0


def fn(p):
    return (p["x"].sqrt() * (p["x"] > 0)).sum()


params = {"x": x0}
