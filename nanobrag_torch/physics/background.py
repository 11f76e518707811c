"""Scattering from water around the crystal (docs/physics.md, Water)."""

from torch import Tensor

from nanobrag_torch.units import AVOGADRO, R_E_SQUARED

#: Forward amplitude of a water molecule, electrons; its mass, g/mol; the density of water, g/m^3.
WATER_F = 2.57
WATER_MASS = 18.0
WATER_DENSITY = 1e6


def water_intensity(size: Tensor) -> Tensor:
    """F^2 times the number of water molecules in a cube of edge ``size`` metres: electrons^2 per unit solid angle."""
    return WATER_F**2 * size**3 * WATER_DENSITY * AVOGADRO / WATER_MASS


def water_intensity_c(size: Tensor, fluence: Tensor) -> Tensor:
    """The C program's term, which carries r_e^2 * fluence once more than it should [B10]."""
    return R_E_SQUARED * fluence * water_intensity(size)
