"""x ** 3 at zero: zero slope, zero curvature.
Expected: x=Z2,Z3,healthy
"""

import torch

F64 = torch.float64
kwargs = {}


def fn(p):
    return p["x"] ** 3 + 1


params = {"x": torch.tensor(0.0, dtype=F64)}
