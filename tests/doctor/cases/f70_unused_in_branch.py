"""Data-dependent branch: the parameter is used only above a threshold, found by float().
Source: https://github.com/gbionics/jaxsim/issues/4, contact models: https://github.com/google/brax/issues/317
Provenance: pattern only: the thread reports a neighbouring problem, not this one.
Maintainers: no contact, no gradient of contact parameters.
Expected: stiffness=Z10,Z5
"""

import torch

F64 = torch.float64
kwargs = {}


def fn(p):
    h = p["height"]
    pen = torch.clamp(-h, min=0.0)
    return 0.5 * p["stiffness"] * pen**2 + 9.81 * h


params = {"height": torch.tensor(0.4, dtype=F64), "stiffness": torch.tensor(1e3, dtype=F64)}
