"""Quantisation: round to multiples of a step.
Source: https://github.com/pytorch/pytorch/issues/72772
Maintainers: gradients become 0; a custom function (straight-through) is needed.
Expected: x=S6,Z5
"""

import torch

F64 = torch.float64
kwargs = {}


def fn(p):
    return (torch.round(p["x"] / 0.1) * 0.1 - 2.0) ** 2


params = {"x": torch.tensor(1.234, dtype=F64)}
