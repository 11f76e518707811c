"""Healthy: a singular isothermal ellipsoid of caustics.
Expected: healthy for every parameter
"""

import caustics
import torch

F64 = torch.float64
kwargs = {}
cosmo = caustics.FlatLambdaCDM(name="cosmo")
lens = caustics.SIE(cosmology=cosmo, name="lens", z_l=0.5, z_s=1.5, x0=0.01, y0=0.02, q=0.7, phi=0.4)
g = torch.linspace(-1.53, 1.47, 12, dtype=F64)
X, Y = torch.meshgrid(g, g, indexing="xy")
cosmo.to(dtype=F64)
lens.to(dtype=F64)


def fn(p):
    ax, ay = (
        lens.reduced_deflection_angle(X, Y, p["Rein"].reshape(1))
        if False
        else lens.reduced_deflection_angle(X, Y, {"lens": {"Rein": p["Rein"]}} if False else p["Rein"].reshape(1))
    )
    return ((X - ax) ** 2 + (Y - ay) ** 2).sum()


params = {"Rein": torch.tensor(1.0, dtype=F64)}
