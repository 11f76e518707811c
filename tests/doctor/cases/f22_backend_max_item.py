"""A backend's max() is x.detach().max().item().
Source: https://github.com/optiland/optiland/issues/853
Maintainers: be.max returns detach().max().item(): total_track has no gradient.
Expected: t=S2
"""

import torch

F64 = torch.float64
kwargs = {}


class be:
    @staticmethod
    def max(x):
        return x.detach().max().item()

    @staticmethod
    def min(x):
        return x.detach().min().item()


def fn(p):
    z = torch.cumsum(torch.stack([torch.zeros((), dtype=F64), p["t"], 2 * p["t"]]), 0)
    track = be.max(z) - be.min(z)
    return torch.as_tensor((track - 5.0) ** 2, dtype=F64)


params = {"t": torch.tensor(1.0, dtype=F64)}
