"""XDS_ASCII.HKL, merged or not: of XDS and of XSCALE."""

import os
import re
from dataclasses import replace
from typing import Any

import numpy as np

from nanobrag_torch.io.files import reading, require
from nanobrag_torch.io.merging import merged
from nanobrag_torch.io.reflections import StructureFactors
from nanobrag_torch.io.symmetry import structure_factors_in_p1

SIGN = re.compile(rb"\A!FORMAT=XDS_ASCII")


def read_xds(filepath: str | os.PathLike[str], **options: Any) -> StructureFactors:
    """Amplitudes of an XDS_ASCII file (also gzipped), merged, in P1 with both Friedel mates.

    Observations with a negative sigma, by which XDS marks misfits, do not count. Mates are kept apart where the header
    says ``FRIEDEL'S_LAW=FALSE``.

    Args:
        filepath: File to read.
        **options: ``dmin``, ``default_F``, ``device`` and ``dtype``, as for
            :func:`~nanobrag_torch.io.structure_factors.load_structure_factors`.

    Raises:
        ValueError: The file cannot be read, or its header has no space group or no unit cell.
        OSError: There is no such file.
        ImportError: gemmi is missing.
    """
    gemmi = require("gemmi", "Reading XDS files")
    with reading(filepath, "XDS_ASCII file", "Check that it is whole.") as path:
        table = gemmi.read_xds_ascii(path)
    cell = gemmi.UnitCell(*table.cell_constants)
    group = gemmi.find_spacegroup_by_number(table.spacegroup_number)
    if group is None or not cell.is_crystal():
        raise ValueError(f"{filepath}: has no space group or no unit cell. Give a file of CORRECT or XSCALE.")
    indices, plus, minus = merged(
        gemmi, np.array(table.miller_array), np.array(table.iobs_array, dtype=np.float64),
        np.array(table.sigma_array, dtype=np.float64), cell, group,
        source=str(filepath), anomalous=table.friedels_law == "F",
    )  # fmt: skip
    found = structure_factors_in_p1(indices, plus, minus, cell, group, source=str(filepath), **options)
    return replace(found, columns=("IOBS",))
