"""torch.angle of a complex number so small that its square underflows in float32.
Source: https://github.com/pytorch/pytorch/issues/98276
Maintainers: angle_backward squares the modulus: underflow gives NaN; atan2 is right there.
Expected: re=N3,S7 im=N3,S7
"""

import torch

F64 = torch.float64
kwargs = {}


def fn(p):
    return torch.angle(torch.complex(p["re"], p["im"]))


params = {"re": torch.tensor(5.6843e-24), "im": torch.tensor(1e-23)}
