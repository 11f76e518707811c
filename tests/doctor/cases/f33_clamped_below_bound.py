"""A width that lies below the bound it is clamped to.
Source: https://github.com/NanoComp/meep/pull/2073
Provenance: pattern only: the thread reports a neighbouring problem, not this one.
Maintainers: clipping at 0 or 1 makes finite differences and gradients differ.
Expected: sigma=S4
"""

import torch

F64 = torch.float64
kwargs = {}
t = torch.linspace(-2, 2, 41, dtype=F64)


def fn(p):
    s = p["sigma"].clamp(min=0.1)
    return torch.exp(-(t**2) / (2 * s**2)).sum() * p["a"]


params = {"sigma": torch.tensor(0.08, dtype=F64), "a": torch.tensor(2.0, dtype=F64)}
