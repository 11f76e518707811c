"""remainder at its discontinuity (a phase at exactly 2 pi, a fractional coordinate at 1).
Expected: x=D1
"""

import torch

F64 = torch.float64
kwargs = {}


def fn(p):
    return torch.remainder(p["x"], 1.0) ** 2


params = {"x": torch.tensor(1.0, dtype=F64)}
