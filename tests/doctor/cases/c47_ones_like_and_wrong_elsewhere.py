"""(helper) healthy: uses ones_like, zeros_like and new_zeros of a dependent tensor.
Expected: healthy for every parameter
"""

import torch

F64 = torch.float64
kwargs = {}
xs = torch.linspace(0, 1, 9, dtype=F64)


def fn(p):
    y = torch.tanh(p["a"] * xs)
    mask = torch.ones_like(y)
    mask[0] = 0
    return (mask * y**2 + y.new_zeros(9) + torch.zeros_like(y)).sum()


params = {"a": torch.tensor(0.7, dtype=F64)}
