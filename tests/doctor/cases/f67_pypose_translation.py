"""pypose: translation of an exponential.
Source: https://github.com/pypose/pypose/issues/395
Maintainers: SE3.translation() has an incorrect backward for se3.Exp() (v0.9.0).
Expected: xi=W6,healthy
"""

import pypose as pp
import torch

F64 = torch.float64
kwargs = {}


def fn(p):
    t = pp.se3(p["xi"]).Exp().translation()
    return (t * torch.tensor([1.0, 2.0, 3.0], dtype=F64)).sum().as_subclass(torch.Tensor)


params = {"xi": torch.tensor([0.2, 0.3, 0.1, 0.2, 0.3, 0.1], dtype=F64)}
