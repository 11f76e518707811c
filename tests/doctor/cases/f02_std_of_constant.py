"""Standard deviation of equal values. torch now gives the subgradient 0.
Source: https://github.com/pytorch/pytorch/issues/4320 (torch.std NaN gradient)
Maintainers: same as the norm: no gradient where the output is 0, zeros are a valid subgradient. A kink.
Expected: x=D2
"""

import torch

F64 = torch.float64
kwargs = {}


def fn(p):
    return p["x"].std()


params = {"x": torch.ones(4, dtype=F64)}
