"""A frozen nn.Parameter: in the user's program its gradient is None.
Expected: a=S8,S9,frozen
"""

import torch

F64 = torch.float64
kwargs = {}


def fn(p):
    return p["a"] ** 2


params = {"a": torch.nn.Parameter(torch.tensor(2.0, dtype=F64), requires_grad=False)}
