"""Axis-angle to quaternion at the identity: sqrt(0) whose value a where() then does not select.
Source: https://github.com/kornia/kornia/issues/3949
Maintainers: where() sends gradients through both arms and the derivative of sqrt at 0 is inf: inf * 0 = NaN. Double where().
Expected: v[0]=N4 v[1]=N4 v[2]=N4
"""

import torch

F64 = torch.float64
kwargs = {}


def fn(p):
    v = p["v"]
    theta2 = (v * v).sum()
    theta = torch.sqrt(theta2)
    half = theta * 0.5
    k = torch.where(theta2 > 0.0, torch.sin(half) / theta, torch.full_like(theta, 0.5))
    w = torch.where(theta2 > 0.0, torch.cos(half), torch.ones_like(theta))
    q = torch.cat([w.reshape(1), v * k])
    return (q * torch.tensor([1.0, 2.0, 3.0, 4.0], dtype=F64)).sum()


params = {"v": torch.zeros(3, dtype=F64)}
