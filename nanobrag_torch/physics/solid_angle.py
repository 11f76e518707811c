"""Solid angle of a pixel."""

from torch import Tensor


def solid_angle(distance: Tensor, pixel_size: Tensor, close_distance: Tensor) -> Tensor:
    """px^2/R^2 * C/R in steradian: ``distance`` R of the sample point (...), C along the detector's normal, metres."""
    return pixel_size**2 * close_distance / distance**3


def point_solid_angle(distance: Tensor) -> Tensor:
    """1/R^2, without pixel area or obliquity, as the ``point_pixel`` option has it."""
    return 1 / distance**2
