"""Amplitudes calculated from the CIF of a small molecule: fractional coordinates, U, and operations of symmetry."""

import math
import os
from dataclasses import replace
from typing import Any

import numpy as np

from nanobrag_torch.io.anomalous import Anomalous
from nanobrag_torch.io.cif_crystal import cell_in, space_group_in
from nanobrag_torch.io.files import reading, require
from nanobrag_torch.io.reflections import StructureFactors
from nanobrag_torch.io.structure import checked_resolution, factors_of_model


def read_small_molecule(
    filepath: str | os.PathLike[str], dmin: float | None = None, *, anomalous: Anomalous | None = None, **options: Any
) -> StructureFactors:
    """Amplitudes of the first structure of a small-molecule CIF (also gzipped), in electrons.

    Occupancies are those of the atoms: one on a symmetry element is counted once for each of its places in the cell.

    Args:
        filepath: File to read.
        dmin: Resolution in Angstrom; required, 0.3 to 50.
        anomalous: As for :func:`~nanobrag_torch.io.structure.read_structure`.
        **options: ``default_F``, ``device`` and ``dtype``, as for
            :func:`~nanobrag_torch.io.structure_factors.load_structure_factors`.

    Returns:
        The amplitudes; ``stars`` are in the standard axes, a along x.

    Raises:
        ValueError: The file cannot be understood, or has no unit cell or space group; or ``dmin`` is missing.
        OSError: There is no such file.
        ImportError: gemmi is missing.
    """
    source = str(filepath)
    dmin = checked_resolution(dmin, source)
    gemmi = require("gemmi", "Calculating structure factors from coordinates")
    with reading(filepath, "small-molecule CIF", "Check that it is whole.") as path:
        document = gemmi.cif.read(path)
        block = next((each for each in document if len(each.find_values("_atom_site_fract_x"))), document[0])
        small = gemmi.make_small_structure_from_block(block)
        cell, group = cell_in(gemmi, block, document), space_group_in(gemmi, block, document)
    if cell is None or group is None:
        raise ValueError(f"{source}: has no unit cell or no space group. Add _cell_length_a ... and the operations.")
    small.cell, small.spacegroup = cell, group
    small.setup_cell_images()
    small.change_occupancies_to_crystallographic()
    structure = _structure(gemmi, small, group)
    found = factors_of_model(gemmi, structure, source, dmin, anomalous=anomalous, **options)
    return replace(found, stars=tuple(map(tuple, structure.cell.frac.mat.tolist())))


def _structure(gemmi: Any, small: Any, group: Any) -> Any:
    """The sites of a small molecule as atoms of a ``gemmi.Structure``: Cartesian, B = 8 pi^2 U."""
    structure = gemmi.Structure()
    structure.cell, structure.spacegroup_hm = small.cell, group.xhm()
    residue = gemmi.Residue()
    for number, site in enumerate(small.sites, 1):
        atom = gemmi.Atom()
        atom.name, atom.serial, atom.element, atom.charge, atom.occ = (
            site.label, number, site.element, site.charge, site.occ,
        )  # fmt: skip
        atom.pos = small.cell.orthogonalize(site.fract)
        atom.b_iso = 8 * math.pi**2 * site.u_iso
        if site.aniso.nonzero():
            atom.aniso = _cartesian(gemmi, small.cell, site.aniso)
        residue.add_atom(atom)
    chain, model = gemmi.Chain("A"), gemmi.Model(1)
    chain.add_residue(residue)
    model.add_chain(chain)
    structure.add_model(model)
    structure.setup_cell_images()
    return structure


def _cartesian(gemmi: Any, cell: Any, aniso: Any) -> Any:
    """U in Cartesian axes, of the U of a CIF, whose axes are the reciprocal ones at unit length."""
    reciprocal = cell.reciprocal()
    turned = np.array(cell.orth.mat.tolist()) * (reciprocal.a, reciprocal.b, reciprocal.c)
    u = turned @ np.array(aniso.as_mat33().tolist()) @ turned.T
    return gemmi.SMat33f(u[0, 0], u[1, 1], u[2, 2], u[0, 1], u[0, 2], u[1, 2])
