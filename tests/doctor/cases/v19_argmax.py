"""argmax used as a value.
Expected: x=Z5,S2
"""

import torch

F64 = torch.float64
kwargs = {}


def fn(p):
    return torch.arange(3.0, dtype=F64)[p["x"].argmax()] * 2


params = {"x": torch.tensor([0.1, 0.5, 0.2], dtype=F64)}
