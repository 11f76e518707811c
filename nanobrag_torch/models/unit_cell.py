"""The unit cell of a crystal config: direct and reciprocal vectors with misset, as tensors connected to the config."""

from dataclasses import dataclass

import torch
from torch import Tensor

from nanobrag_torch.compat import Compat
from nanobrag_torch.config import MOSFLM_STARS, CrystalConfig
from nanobrag_torch.models.as_tensor import device_of, vector
from nanobrag_torch.models.orientation import misset_angles
from nanobrag_torch.physics import unit_cell
from nanobrag_torch.physics.rotation import about_x_y_z
from nanobrag_torch.units import degrees_to_radians
from nanobrag_torch.validation import check_finite, divisor

#: Part of a box that rounding may leave of nothing.
FLAT = 1e-12


@dataclass(frozen=True)
class UnitCell:
    """The lattice before phi and mosaic rotation.

    Attributes:
        direct: Direct vectors (3, 3) in Angstrom, one a row, misset applied.
        stars: Reciprocal vectors (3, 3) in 1/Angstrom, one a row, misset applied.
        volume: Volume in cubic Angstrom, 0-d.
        misset: Angles (3,) in radians about the laboratory x, y and z axes.
    """

    direct: Tensor
    stars: Tensor
    volume: Tensor
    misset: Tensor


def unit_cell_of(
    config: CrystalConfig,
    compat: Compat,
    device: torch.device | str | None = None,
    a_star: Tensor | None = None,
) -> UnitCell:
    """The lattice of a config, with misset.

    Args:
        config: Cell or orientation matrix, and misset.
        compat: Construction of the cell [B01] and largest random misset [B20].
        device: Device of the vectors.
        a_star: Reciprocal vector (3,) in 1/Angstrom in place of the config's a*, misset not applied to it.

    Returns:
        The vectors in float64, connected to the config's tensors.

    Raises:
        ValueError: The config describes no crystal, or a matrix that spans no volume.
    """
    device = device_of(device)
    stars, lengths, volume = _reciprocal_vectors(config, compat, device)
    misset = misset_angles(config, compat, device)
    stars = about_x_y_z(stars, misset)
    if a_star is not None:
        check_finite("run", "override_a_star", a_star, 3, "Give a reciprocal vector in 1/Angstrom.")
        stars, lengths, volume = torch.stack([vector(a_star, device), stars[1], stars[2]]), None, None
    direct, stars = unit_cell.direct_vectors(stars, lengths, volume)
    if volume is None:
        volume = (direct[0] * torch.linalg.cross(direct[1], direct[2])).sum()
    remedy = "Check the unit cell, or the orientation matrix."
    box = torch.sqrt((direct * direct).sum(-1)).prod()
    divisor(volume / box, "the vectors of the unit cell do not span a volume", remedy, FLAT)
    return UnitCell(direct, stars, volume, misset)


def _reciprocal_vectors(
    config: CrystalConfig, compat: Compat, device: torch.device
) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """Rows a*, b*, c* before misset, and the lengths and volume to rescale to (None for a matrix)."""
    config.validate()
    lengths = vector((config.cell_a, config.cell_b, config.cell_c), device)
    angles = degrees_to_radians(vector((config.cell_alpha, config.cell_beta, config.cell_gamma), device))
    volume = unit_cell.volume(lengths, angles)
    if not config.has_matrix:
        return unit_cell.reciprocal_vectors(lengths, angles, compat.cell_construction, volume), lengths, volume
    rows = [vector(getattr(config, name), device) for name in MOSFLM_STARS]
    scale = (lengths, volume) if config.rescale_matrix_to_cell else (None, None)
    return torch.stack(rows), *scale
