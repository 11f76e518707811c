"""Healthy: kornia gaussian blur of a float32 image, width as parameter.
Expected: healthy for every parameter
"""

import kornia
import torch

F64 = torch.float64
torch.manual_seed(0)
img = torch.rand(1, 1, 24, 24)


def fn(p):
    s = torch.stack([p["s"], p["s"]])[None]
    return kornia.filters.gaussian_blur2d(img, (9, 9), s)


kwargs = {"loss": lambda im: ((im - 0.3) ** 2).mean()}
params = {"s": torch.tensor(1.3)}
