"""Healthy: a product with one factor zero (torch handles it).
Source: https://github.com/pytorch/pytorch/issues/773 (fixed)
Expected: x[0]=healthy
"""

import torch

F64 = torch.float64
kwargs = {}


def fn(p):
    return (p["x"] + torch.tensor([0.0, 1.0, 2.0], dtype=F64)).prod() + p["x"].sum()


params = {"x": torch.tensor([0.0, 1.3, 1.7], dtype=F64)}
