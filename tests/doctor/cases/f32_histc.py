"""A histogram loss: torch.histc has no derivative.
Source: https://github.com/albrateanu/LYT-Net/issues/17, /issues/16
Maintainers: a histogram is discrete; soft binning with gaussian kernels is differentiable.
Expected: gain=S2,Z5,error
"""

import torch

F64 = torch.float64
kwargs = {}
torch.manual_seed(0)
data = torch.rand(200, dtype=F64)


def fn(p):
    h = torch.histc(data * p["gain"], bins=10, min=0, max=2)
    return (h**2).sum()


params = {"gain": torch.tensor(1.1, dtype=F64)}
