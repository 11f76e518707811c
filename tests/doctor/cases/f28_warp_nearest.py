"""Warping with nearest interpolation: the gradient of the transformation is always zero.
Source: https://github.com/kornia/kornia/issues/827
Maintainers: nearest has no gradient with respect to the grid; bilinear works.
Expected: shift=Z5
"""

import torch
import torch.nn.functional as F

F64 = torch.float64
kwargs = {}
torch.manual_seed(0)
img = torch.rand(1, 1, 16, 16, dtype=F64)


def fn(p):
    theta = (
        torch.eye(2, 3, dtype=F64)[None]
        + torch.stack([p["shift"] * torch.tensor([0, 0, 1.0], dtype=F64), torch.zeros(3, dtype=F64)])[None]
    )
    grid = F.affine_grid(theta, (1, 1, 16, 16), align_corners=False)
    return ((F.grid_sample(img, grid, mode="nearest", align_corners=False) - 0.5) ** 2).sum()


params = {"shift": torch.tensor(0.05, dtype=F64)}
