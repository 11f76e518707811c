"""A matrix is computed in the constructor and kept.
Source: https://github.com/patrick-kidger/torchcde/issues/3 (computed parameters as buffers), https://github.com/pytorch/pytorch/issues/71062
Provenance: pattern only: the thread reports a neighbouring problem, not this one.
Maintainers: what is derived from a parameter must be recomputed.
Expected: omega=S3
"""

import torch

F64 = torch.float64


class Rotor:
    def __init__(self, omega):
        self.matrix = torch.stack([torch.cos(omega), torch.sin(omega)]).detach()

    def __call__(self, p):
        return (self.matrix * torch.tensor([1.0, 2.0], dtype=F64)).sum() * p["scale"]


class Sim:
    """A fresh object reads the parameter once."""

    rotor = None

    def __call__(self, p):
        if self.rotor is None:
            self.rotor = Rotor(p["omega"])
        return self.rotor(p)


fn = Sim()
kwargs = {"rebuild": Sim}
params = {"omega": torch.tensor(0.4, dtype=F64), "scale": torch.tensor(2.0, dtype=F64)}
