"""Angles of an edge that is nearly aligned with the axis, float32: squares of the small components underflow.
Source: https://github.com/facebookresearch/fairchem/pull/1574
Maintainers: the backward of atan2 squares these components, which makes them even smaller; clamp.
Expected: x=N3,S7 z=N3,S7
"""

import torch

F64 = torch.float64
kwargs = {}


def fn(p):
    n = torch.stack([p["x"], p["y"], p["z"]])
    n = n / n.norm()
    return torch.atan2(n[0], n[2])


params = {"x": torch.tensor(3e-24), "y": torch.tensor(1.0), "z": torch.tensor(1e-24)}
