"""Healthy: linear interpolation in a table with searchsorted, away from the knots.
Expected: healthy for every parameter
"""

import torch

F64 = torch.float64
kwargs = {}
xk = torch.linspace(0, 1, 11, dtype=F64)
yk = torch.sin(3 * xk)


def fn(p):
    x = p["x"]
    i = torch.searchsorted(xk, x.detach()).clamp(1, 10)
    w = (x - xk[i - 1]) / (xk[i] - xk[i - 1])
    return ((1 - w) * yk[i - 1] + w * yk[i]) ** 2


params = {"x": torch.tensor(0.437, dtype=F64)}
