"""One element of three has a NaN gradient; the other two are 0.333 and 0.25.
Expected: x[1]=healthy x[2]=healthy
"""

import torch

F64 = torch.float64
kwargs = {}


def fn(p):
    x = p["x"]
    return torch.where(x > 2, torch.log(x), torch.sqrt(x) * 0).sum()


params = {"x": torch.tensor([0.0, 3.0, 4.0], dtype=F64)}
