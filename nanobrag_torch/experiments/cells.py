"""Crystals of an orientation matrix as crystals of a cell and a misset, whose parameters are quantities."""

from dataclasses import replace
from typing import Any

import numpy as np
import torch

from nanobrag_torch.compat import Compat
from nanobrag_torch.config import MOSFLM_STARS, CrystalConfig
from nanobrag_torch.io.mosflm import reciprocal_to_real_cell
from nanobrag_torch.models.unit_cell import unit_cell_of
from nanobrag_torch.physics.rotation import angles_x_y_z

_CELL = ("cell_a", "cell_b", "cell_c", "cell_alpha", "cell_beta", "cell_gamma")
#: Part of their length by which reciprocal vectors may differ and be the same.
_ROUNDING = 1e-9


def by_cell(crystal: CrystalConfig, compat: str | Compat = "physical") -> CrystalConfig:
    """The same crystal with cell and misset in place of its orientation matrix.

    With a matrix the cell parameters are inert; without it the image has derivatives in them and in the misset angles.

    Args:
        crystal: A crystal, as an :class:`Experiment` has it.
        compat: Mode that its images are made in.

    Returns:
        A copy without a matrix; the crystal as it is where it has none, or where no cell and misset make its vectors,
        those of a left-handed matrix or of C's construction of a triclinic cell.
    """
    if not crystal.has_matrix:
        return crystal
    mode = Compat.of(compat)
    stars = unit_cell_of(crystal, mode).stars.detach().cpu().numpy()
    cell: dict[str, Any] = dict(zip(_CELL, reciprocal_to_real_cell(*stars), strict=True))
    rest: dict[str, Any] = {"misset_random": False, "rescale_matrix_to_cell": False, **dict.fromkeys(MOSFLM_STARS)}
    upright = replace(crystal, **cell, **rest, misset_deg=(0.0, 0.0, 0.0))
    turn = (np.linalg.inv(unit_cell_of(upright, mode).stars.numpy()) @ stars).T
    found = replace(upright, misset_deg=tuple(torch.rad2deg(angles_x_y_z(torch.from_numpy(turn))).tolist()))
    again = unit_cell_of(found, mode).stars.numpy()
    close = np.abs(again - stars).max() <= _ROUNDING * np.linalg.norm(stars, axis=1).max()
    return found if close else crystal
