"""A loss function that calls backward() itself (as training code does).
Expected: x=error
"""

import torch

F64 = torch.float64
kwargs = {}


def fn(p):
    loss = (p["x"] ** 2).sum()
    loss.backward()
    return loss


params = {"x": torch.tensor([0.3, 0.4], dtype=F64)}
