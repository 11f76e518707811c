"""Rotation angle from the trace at the identity.
Source: https://github.com/facebookresearch/pytorch3d/issues/189, https://github.com/pytorch/pytorch/issues/4605
Maintainers: singular at the identity: derivative of acos is infinite at 1.
Expected: m (along a random direction)=N3
"""

import torch

F64 = torch.float64
kwargs = {}


def fn(p):
    return torch.acos((torch.diagonal(p["m"]).sum() - 1) / 2)


params = {"m": torch.eye(3, dtype=F64)}
