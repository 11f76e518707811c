"""The graph is cut by numpy; the first line that is named is a harmless ones_like.
Expected: x=S1,S2
"""

import torch

F64 = torch.float64
kwargs = {}


def fn(p):
    y = torch.ones_like(p["x"]) * 3
    z = torch.from_numpy(p["x"].detach().numpy()) ** 2
    return (y * z).sum()


params = {"x": torch.tensor(1.3, dtype=F64)}
