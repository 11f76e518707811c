"""Incident beams of a divergent, polychromatic source (physics.md, section 7.2)."""

import torch
from torch import Tensor

from nanobrag_torch.physics.rotation import about_axis
from nanobrag_torch.physics.safe import unit


def incident_directions(beam: Tensor, polarization: Tensor, horizontal: Tensor, vertical: Tensor) -> Tensor:
    """Unit propagation directions (n, 3) for divergence angles ``horizontal`` and ``vertical`` (n,) in radians.

    The beam (3,) turns about the polarization direction by the vertical angle, then about beam x polarization by the
    horizontal one.
    """
    vertical_axis = unit(torch.linalg.cross(beam, polarization))
    turned = about_axis(beam.expand(len(vertical), 3), polarization, vertical)
    return unit(about_axis(turned, vertical_axis, horizontal))


def is_within_round_divergence(
    horizontal: Tensor,
    vertical: Tensor,
    ranges: tuple[float, float],
    steps: tuple[float, float],
    counts: tuple[int, int],
) -> Tensor:
    """Which directions (n,) of a divergence grid a round beam keeps: the C program's rule 4 tau <= 1.1.

    A grid with an even count has no point on the axis, hence the quarter step. Where either range is zero nothing
    is trimmed.
    """
    if ranges[0] <= 0 or ranges[1] <= 0:
        return torch.ones_like(horizontal, dtype=torch.bool)
    tau = torch.zeros_like(horizontal)
    for angle, full, step, count in zip((horizontal, vertical), ranges, steps, counts, strict=True):
        tau = tau + (angle**2 - (step**2 / 4) * (1 - count % 2)) / full**2
    return 4 * tau <= 1.1
