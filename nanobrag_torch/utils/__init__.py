"""Helpers under their established names; the formulas live in ``nanobrag_torch.physics`` and are only called here."""

from nanobrag_torch.utils.c_random import CLCG, mosaic_rotation_umat, umat2misset
from nanobrag_torch.utils.geometry import cross_product, dot_product, rotate_axis, unitize
from nanobrag_torch.utils.physics import polarization_factor, sinc3, sincg

__all__ = [
    "CLCG",
    "cross_product",
    "dot_product",
    "mosaic_rotation_umat",
    "polarization_factor",
    "rotate_axis",
    "sinc3",
    "sincg",
    "umat2misset",
    "unitize",
]
