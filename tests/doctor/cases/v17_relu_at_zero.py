"""ReLU exactly at zero: the other plainest kink.
Expected: x=D2
"""

import torch

F64 = torch.float64
kwargs = {}


def fn(p):
    return torch.relu(p["x"]) * 2


params = {"x": torch.tensor(0.0, dtype=F64)}
