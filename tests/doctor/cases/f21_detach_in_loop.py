"""Several thicknesses are applied one after the other to positions that are detached each time: only the last keeps its gradient.
Source: https://github.com/optiland/optiland/pull/579 (issue 569)
Maintainers: positions.detach() on the next update severed the previous thickness; only the last is left in the graph.
Expected: t1=S2 t2=S2 t3=healthy
"""

import torch

F64 = torch.float64
kwargs = {}


def fn(p):
    z = torch.zeros(4, dtype=F64)
    for k, name in enumerate(("t1", "t2", "t3"), start=1):
        pos = z.detach()
        shift = p[name] - (pos[k] - pos[k - 1])
        z = torch.cat([pos[:k], pos[k:] + shift])
    return (z**2).sum()


params = {"t1": torch.tensor(1.0, dtype=F64), "t2": torch.tensor(2.0, dtype=F64), "t3": torch.tensor(0.5, dtype=F64)}
