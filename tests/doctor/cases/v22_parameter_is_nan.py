"""A parameter that is NaN itself.
Expected: x=N8
"""

import torch

F64 = torch.float64
kwargs = {}


def fn(p):
    return p["x"] ** 2


params = {"x": torch.tensor(float("nan"), dtype=F64)}
