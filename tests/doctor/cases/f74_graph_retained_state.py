"""A recurrent state kept with its graph between calls.
Source: https://github.com/pytorch/pytorch/issues/71062, https://github.com/TorchSim/torch-sim/pull/564
Provenance: pattern only: the thread reports a neighbouring problem, not this one.
Expected: k=S3,D3
"""

import torch

F64 = torch.float64
kwargs = {}


class Sim:
    def __init__(self):
        self.x = torch.ones((), dtype=F64)

    def __call__(self, p):
        self.x = torch.tanh(self.x * (1 - 0.1 * p["k"]))
        return self.x**2


fn = Sim()
params = {"k": torch.tensor(0.5, dtype=F64)}
