"""Sampling outside of the image with zero padding: no signal comes back until the shift is large.
Source: https://github.com/pytorch/pytorch/issues/149013 (out-of-bound grid locations give the padding value)
Provenance: pattern only: the thread reports a neighbouring problem, not this one.
Maintainers: zeros padding: value 0, slope 0 outside.
Expected: shift=Z10,Z5
"""

import torch
import torch.nn.functional as F

F64 = torch.float64
kwargs = {}
torch.manual_seed(0)
img = torch.rand(1, 1, 16, 16, dtype=F64)


def fn(p):
    base = F.affine_grid(torch.eye(2, 3, dtype=F64)[None], (1, 1, 8, 8), align_corners=False)
    grid = base + p["shift"] * torch.tensor([1.0, 0.0], dtype=F64)
    return ((F.grid_sample(img, grid, align_corners=False) - 0.5) ** 2).sum()


params = {"shift": torch.tensor(6.0, dtype=F64)}
