"""Incident beams of a divergent, polychromatic source (docs/physics.md, Divergence and dispersion)."""

import torch
from torch import Tensor

from nanobrag_torch.physics.rotation import about_axis
from nanobrag_torch.physics.safe import unit


def incident_directions(beam: Tensor, polarization: Tensor, horizontal: Tensor, vertical: Tensor) -> Tensor:
    """Unit propagation directions for angles of divergence.

    The beam turns about the polarization direction by the vertical angle, then about beam x polarization by the
    horizontal one.

    Args:
        beam: Unit vector (3,) in which the central beam propagates.
        polarization: Unit vector (3,) of the E vector.
        horizontal: Angles (n,) in radians.
        vertical: Angles (n,) in radians.

    Returns:
        Unit vectors (n, 3).
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
    """Mask of the directions that a round beam keeps of a divergence grid: the C program's rule 4 tau <= 1.1.

    A grid with an even count has no point on the axis, hence the quarter step. Where either range is zero nothing
    is trimmed.

    Args:
        horizontal: Angles (n,) in radians.
        vertical: Angles (n,) in radians.
        ranges: Full (horizontal, vertical) ranges, radians.
        steps: (horizontal, vertical) steps, radians.
        counts: Numbers of (horizontal, vertical) steps.

    Returns:
        Booleans (n,).
    """
    if ranges[0] <= 0 or ranges[1] <= 0:
        return torch.ones_like(horizontal, dtype=torch.bool)
    tau = torch.zeros_like(horizontal)
    for angle, full, step, count in zip((horizontal, vertical), ranges, steps, counts, strict=True):
        tau = tau + (angle**2 - (step**2 / 4) * (1 - count % 2)) / full**2
    return 4 * tau <= 1.1
