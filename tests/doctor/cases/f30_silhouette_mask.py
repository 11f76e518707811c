"""A silhouette made by comparison: no coverage gradient.
Source: https://github.com/NVlabs/nvdiffrast/issues/14
Maintainers: coverage is point-sampled and discontinuous: without anti-aliasing no gradient flows into positions.
Expected: r=Z5,S2
"""

import torch

F64 = torch.float64
y, x = torch.meshgrid(torch.linspace(-1, 1, 65, dtype=F64), torch.linspace(-1, 1, 65, dtype=F64), indexing="ij")


def fn(p):
    mask = (x**2 + y**2 < p["r"] ** 2).to(F64)
    return mask


kwargs = {"loss": lambda im: ((im - 0.3) ** 2).sum()}
params = {"r": torch.tensor(0.5, dtype=F64)}
