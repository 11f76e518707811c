"""Readers and writers of files, one format a module; readers return values, and nothing here knows the simulator."""

from nanobrag_torch.io.anomalous import anomalous_factors, read_anomalous_table
from nanobrag_torch.io.cbf import read_cbf, write_cbf
from nanobrag_torch.io.exposure import Exposure
from nanobrag_torch.io.fdump import read_fdump, write_fdump
from nanobrag_torch.io.floatfile import read_float_image, write_float_image
from nanobrag_torch.io.hkl import read_hkl_file, try_load_hkl_or_fdump, write_hkl_file
from nanobrag_torch.io.mask import create_circular_mask, create_rectangle_mask, read_smv_mask
from nanobrag_torch.io.mtz import read_mtz, read_reflection_cif
from nanobrag_torch.io.nexus import read_nexus, write_nexus
from nanobrag_torch.io.pgm import write_pgm
from nanobrag_torch.io.reflections import StructureFactors
from nanobrag_torch.io.small_molecule import read_small_molecule
from nanobrag_torch.io.smv import read_smv, smv_header, write_smv
from nanobrag_torch.io.spectrum import Spectrum, read_spectrum
from nanobrag_torch.io.stol import read_stol
from nanobrag_torch.io.structure import read_structure
from nanobrag_torch.io.structure_factors import load_structure_factors
from nanobrag_torch.io.xds import read_xds

__all__ = [
    "Exposure",
    "Spectrum",
    "StructureFactors",
    "anomalous_factors",
    "create_circular_mask",
    "create_rectangle_mask",
    "load_structure_factors",
    "read_anomalous_table",
    "read_cbf",
    "read_fdump",
    "read_float_image",
    "read_hkl_file",
    "read_mtz",
    "read_nexus",
    "read_reflection_cif",
    "read_small_molecule",
    "read_smv",
    "read_smv_mask",
    "read_spectrum",
    "read_stol",
    "read_structure",
    "read_xds",
    "smv_header",
    "try_load_hkl_or_fdump",
    "write_cbf",
    "write_fdump",
    "write_float_image",
    "write_hkl_file",
    "write_nexus",
    "write_pgm",
    "write_smv",
]
