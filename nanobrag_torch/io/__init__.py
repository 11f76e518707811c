"""Everything that is read or written, one format a module. Readers return values; nothing here knows the simulator."""

from nanobrag_torch.io.fdump import read_fdump, write_fdump
from nanobrag_torch.io.floatfile import read_float_image, write_float_image
from nanobrag_torch.io.hkl import read_hkl_file, try_load_hkl_or_fdump
from nanobrag_torch.io.mask import create_circular_mask, create_rectangle_mask, read_smv_mask
from nanobrag_torch.io.pgm import write_pgm
from nanobrag_torch.io.smv import read_smv, smv_header, write_smv

__all__ = [
    "create_circular_mask",
    "create_rectangle_mask",
    "read_fdump",
    "read_float_image",
    "read_hkl_file",
    "read_smv",
    "read_smv_mask",
    "smv_header",
    "try_load_hkl_or_fdump",
    "write_fdump",
    "write_float_image",
    "write_pgm",
    "write_smv",
]
