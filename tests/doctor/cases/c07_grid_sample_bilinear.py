"""Healthy: bilinear warp of a smooth image.
Source: https://github.com/kornia/kornia/issues/827 (bilinear works)
Expected: healthy for every parameter
"""

import torch
import torch.nn.functional as F

F64 = torch.float64
kwargs = {}
g = torch.linspace(-1, 1, 32, dtype=F64)
img = torch.exp(-4 * (g[:, None] ** 2 + g[None] ** 2))[None, None]


def fn(p):
    base = F.affine_grid(torch.eye(2, 3, dtype=F64)[None], (1, 1, 9, 9), align_corners=True) * 0.8
    grid = base + p["shift"] * torch.tensor([1.0, 0.3], dtype=F64)
    return ((F.grid_sample(img, grid, align_corners=True) - 0.5) ** 2).sum()


params = {"shift": torch.tensor(0.0213, dtype=F64)}
