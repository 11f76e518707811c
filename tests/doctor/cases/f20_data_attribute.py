"""A function works on .data, so the graph does not know.
Source: https://github.com/danieltan07/learning-to-reweight-examples/issues/2
Provenance: pattern only: the thread reports a neighbouring problem, not this one.
Maintainers: param.data updates do not enter the graph.
Expected: w=S1,S2
"""

import torch

F64 = torch.float64
kwargs = {}


def fn(p):
    w = p["w"]
    step = w.data * 0.5 - 1.0
    return (step**2).sum()


params = {"w": torch.tensor(0.3, dtype=F64)}
