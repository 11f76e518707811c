"""abs of a small complex number in float32.
Source: https://github.com/pytorch/pytorch/issues/96543
Maintainers: gradient NaN where the number is small but not zero (underflow of the modulus).
Expected: re=N2,S7,healthy
"""

import torch

F64 = torch.float64
kwargs = {}


def fn(p):
    return torch.complex(p["re"], torch.zeros_like(p["re"])).abs()


params = {"re": torch.tensor(-1.0568e-23)}
