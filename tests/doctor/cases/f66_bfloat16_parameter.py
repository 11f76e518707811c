"""A bfloat16 parameter: the gradient has two digits.
Source: https://docs.pytorch.org (AMP)
Expected: a=W2,S7,healthy
"""

import torch

F64 = torch.float64
kwargs = {}
xs = torch.linspace(0, 1, 9).to(torch.bfloat16)


def fn(p):
    return (torch.tanh(p["a"] * xs) ** 2).sum().float()


params = {"a": torch.tensor(0.7, dtype=torch.bfloat16)}
