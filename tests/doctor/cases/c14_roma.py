"""Healthy: roma rotation vector to matrix and back.
Expected: healthy for every parameter
"""

import roma
import torch

F64 = torch.float64
kwargs = {}
v0 = torch.tensor([0.1, 0.2, -0.3], dtype=F64)


def fn(p):
    R = roma.rotvec_to_rotmat(p["r"])
    return (roma.rotmat_to_rotvec(R @ roma.rotvec_to_rotmat(v0)) * torch.tensor([1.0, 2.0, 3.0], dtype=F64)).sum()


params = {"r": torch.tensor([0.5, -0.2, 0.8], dtype=F64)}
