"""A loss in half precision that underflows.
Source: https://github.com/pytorch/pytorch (GradScaler documentation: gradients underflow in float16)
Provenance: pattern only: the thread reports a neighbouring problem, not this one.
Expected: a=S7,W2
"""

import torch

F64 = torch.float64
kwargs = {}


def fn(p):
    return (p["a"].to(torch.float16) * 1e-4 * 1e-4).float() * 1.0


params = {"a": torch.tensor(0.5)}
