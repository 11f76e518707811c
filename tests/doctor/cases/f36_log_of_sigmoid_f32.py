"""log(sigmoid(x)) in float32 where the sigmoid is exactly zero.
Source: https://github.com/pytorch/pytorch/issues/15288 (KL of Bernoullis)
Provenance: pattern only: the thread reports a neighbouring problem, not this one.
Maintainers: unsafe; use logits (logsigmoid).
Expected: x=N7
"""

import torch

F64 = torch.float64
kwargs = {}


def fn(p):
    return -torch.log(torch.sigmoid(p["x"]))


params = {"x": torch.tensor(-120.0)}
