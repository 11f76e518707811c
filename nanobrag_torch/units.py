"""Units: every constant and every conversion of the package, each stated once.

Conversions are one multiplication or division, in the direction that the C program takes so that even the last bit
agrees; a number stays a number and a tensor stays connected to its graph.
Internally lengths are metres and angles radians; cell edges stay in Angstrom until the direct vectors are built,
and reciprocal vectors stay in 1/Angstrom (docs/physics.md, Constants and units).
"""

import math
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from torch import Tensor

#: A number or a tensor.
Real = TypeVar("Real", float, "Tensor")

#: Square of the classical electron radius (Thomson cross-section constant), m^2.
R_E_SQUARED = 7.94079248018965e-30
#: Avogadro's number as the C program has it, 1/mol.
AVOGADRO = 6.02214179e23
#: Photons per m^2 for which R_E_SQUARED * fluence is exactly 1.0 in double precision.
DEFAULT_FLUENCE = 125932015286227086360700780544.0
#: h*c of the ``-energy`` option, eV * Angstrom.
HC_EV_ANGSTROM = 12398.42
#: Smallest normal double: stands in for an exactly zero beam/normal ratio.
DBL_MIN = 2.2250738585072014e-308

#: Degrees in a radian.
DEGREES_PER_RADIAN = 180.0 / math.pi


def mm_to_m(value: Real) -> Real:
    """Millimetres to metres."""
    return value / 1000.0


def m_to_mm(value: Real) -> Real:
    """Metres to millimetres."""
    return value * 1000.0


def um_to_m(value: Real) -> Real:
    """Micrometres to metres."""
    return value * 1e-6


def angstrom_to_m(value: Real) -> Real:
    """Angstrom to metres."""
    return value * 1e-10


def m_to_angstrom(value: Real) -> Real:
    """Metres to Angstrom."""
    return value * 1e10


def mm_to_angstrom(value: Real) -> Real:
    """Millimetres to Angstrom."""
    return value * 1e7


def angstrom_to_mm(value: Real) -> Real:
    """Angstrom to millimetres."""
    return value * 1e-7


def degrees_to_radians(value: Real) -> Real:
    """Degrees to radians."""
    return value / DEGREES_PER_RADIAN


def radians_to_degrees(value: Real) -> Real:
    """Radians to degrees."""
    return value * DEGREES_PER_RADIAN


def mrad_to_radians(value: Real) -> Real:
    """Milliradians to radians."""
    return value / 1000.0


def energy_to_wavelength(energy_ev: Real) -> Real:
    """Photon energy in eV to wavelength in Angstrom."""
    return HC_EV_ANGSTROM / energy_ev
