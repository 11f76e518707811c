"""Logarithm of a quaternion at the identity: acos of a clamped 1 times a vector that is zero.
Source: https://github.com/kornia/kornia/pull/4228
Maintainers: the derivative of acos is -inf at 1, multiplied by the zero vector part: NaN; no true singularity.
Expected: w=N3
"""

import torch

F64 = torch.float64
kwargs = {}


def fn(p):
    w, v = p["w"], p["v"]
    n = v.norm().clamp(min=1e-8)
    return (v * torch.acos(w.clamp(-1.0, 1.0)) / n).sum()


params = {"w": torch.tensor(1.0, dtype=F64), "v": torch.zeros(3, dtype=F64)}
