"""Correlation with a constant image.
Source: pattern of https://github.com/pytorch/pytorch/issues/4320
Provenance: pattern only: the thread reports a neighbouring problem, not this one.
Expected: a=N1,N7,N2
"""

import torch

F64 = torch.float64
kwargs = {}
t = torch.linspace(0, 1, 9, dtype=F64)


def fn(p):
    im = torch.ones(9, dtype=F64) * p["a"]
    c = im - im.mean()
    tc = t - t.mean()
    return (c * tc).sum() / (c.norm() * tc.norm())


params = {"a": torch.tensor(0.5, dtype=F64)}
