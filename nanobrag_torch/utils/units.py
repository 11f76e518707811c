"""Conversions of :mod:`nanobrag_torch.units` under their established names."""

from nanobrag_torch.units import angstrom_to_m as angstroms_to_meters
from nanobrag_torch.units import angstrom_to_mm as angstroms_to_mm
from nanobrag_torch.units import degrees_to_radians, mrad_to_radians, radians_to_degrees
from nanobrag_torch.units import m_to_angstrom as meters_to_angstroms
from nanobrag_torch.units import mm_to_angstrom as mm_to_angstroms
from nanobrag_torch.units import mm_to_m as mm_to_meters
from nanobrag_torch.units import um_to_m as micrometers_to_meters

__all__ = [
    "angstroms_to_meters",
    "angstroms_to_mm",
    "degrees_to_radians",
    "meters_to_angstroms",
    "micrometers_to_meters",
    "mm_to_angstroms",
    "mm_to_meters",
    "mrad_to_radians",
    "radians_to_degrees",
]
