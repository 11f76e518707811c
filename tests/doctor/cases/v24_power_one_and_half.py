"""|x| ** 1.5 at zero: a zero slope; does not enter squared.
Expected: x=Z2,Z3
"""

import torch

F64 = torch.float64
kwargs = {}


def fn(p):
    return p["x"].abs() ** 1.5 + 1


params = {"x": torch.tensor(0.0, dtype=F64)}
