"""Polarization of the incident beam: the Kahn correction without its singularity (docs/physics.md, Polarization)."""

import torch
from torch import Tensor

from nanobrag_torch.physics.safe import unit


def polarization_factor(diffracted: Tensor, incident: Tensor, axis: Tensor, kahn: Tensor) -> Tensor:
    """Polarization factor (1 + c^2 - K [(d.E)^2 - (d.B)^2])/2.

    B = unit(axis x i) and E = unit(i x B); this equals Kahn's cos(2 psi) sin^2(2 theta) form, which needs an arctangent
    that has no gradient on the beam. An axis along the beam leaves no preferred direction: the C program then
    takes cos(2 psi) = 1.

    Args:
        diffracted: Unit vectors (..., 3) towards the samples.
        incident: Unit vectors (S, 3) in which the beams propagate.
        axis: Direction (3,) of the E vector, or one for each source.
        kahn: Kahn's K, 0-d.

    Returns:
        The factor (..., S).
    """
    magnetic = unit(torch.linalg.cross(axis.expand_as(incident), incident))
    electric = unit(torch.linalg.cross(incident, magnetic))
    d = diffracted[..., None, :]
    cos2 = (d * incident).sum(-1) ** 2
    undefined = (magnetic * magnetic).sum(-1) == 0
    anisotropy = (d * electric).sum(-1) ** 2 - (d * magnetic).sum(-1) ** 2
    return (1 + cos2 - kahn * torch.where(undefined, 1 - cos2, anisotropy)) / 2
