"""Healthy: roma at the identity (the library is careful there).
Expected: healthy for every parameter
"""

import roma
import torch

F64 = torch.float64
kwargs = {}


def fn(p):
    return (roma.rotvec_to_rotmat(p["r"]) * torch.arange(9, dtype=F64).reshape(3, 3)).sum()


params = {"r": torch.zeros(3, dtype=F64)}
