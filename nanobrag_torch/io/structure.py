"""Amplitudes calculated from atomic coordinates, expanded to P1."""

import logging
import math
import os
import warnings
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from nanobrag_torch.io.anomalous import Anomalous, corrections_of
from nanobrag_torch.io.files import reading, require
from nanobrag_torch.io.reflections import LARGEST_GRID, StructureFactors
from nanobrag_torch.io.symmetry import structure_factors_in_p1
from nanobrag_torch.memory import check_memory
from nanobrag_torch.validation import check_range

_log = logging.getLogger(__name__)

#: Flat bulk solvent: electrons per cubic Angstrom of the mask, and its displacement factor in square Angstrom
#: (the mean values of Fokine and Urzhumtsev, Acta Cryst. D58 (2002) 1387).
SOLVENT_DENSITY = 0.35
SOLVENT_B = 46.0

#: Resolutions in Angstrom to which amplitudes are calculated: no crystal diffracts further than the first, and a grid
#: for it would fill the memory.
FINEST, COARSEST = 0.3, 50.0

#: Spacing of density and mask, in Angstrom: a third of the resolution, and never coarser than what outlines an atom.
#: With gemmi's blur and this cutoff, amplitudes differ from direct summation by about 1e-5.
_SPACING = 0.8
_DENSITY_CUTOFF = 1e-6
#: Beyond these an atom is a slip of columns, and its density would take all the memory there is.
_LARGEST_POSITION = 1e5
_LARGEST_B = 1000.0


def read_structure(
    filepath: str | os.PathLike[str],
    dmin: float | None = None,
    *,
    bulk_solvent: bool = False,
    anomalous: Anomalous | None = None,
    **options: Any,
) -> StructureFactors:
    """Amplitudes of the first model of a PDB or mmCIF file (also gzipped), in electrons.

    The density of the atoms, hydrogen only where it is in the file, is laid on a grid and transformed (gemmi); F(000)
    is included. Copies that MTRIX records or ``_struct_ncs_oper`` ask for are made. Atoms of unknown elements do not
    scatter, with a warning.

    Args:
        filepath: File to read.
        dmin: Resolution in Angstrom; required, 0.3 to 50.
        bulk_solvent: Fill the space between molecules with a flat density.
        anomalous: Wavelength in Angstrom at which atoms scatter anomalously (f' and f'' of Cromer and Liberman), or
            (f', f'') in electrons by element; None leaves it out, and Friedel mates are equal.
        **options: ``default_F``, ``device`` and ``dtype``, as for
            :func:`~nanobrag_torch.io.structure_factors.load_structure_factors`.

    Returns:
        The amplitudes; ``stars`` are in the axes of the coordinates.

    Raises:
        ValueError: The file cannot be understood, or has no unit cell or space group; or ``dmin`` is missing.
        OSError: There is no such file.
        ImportError: gemmi is missing.
    """
    source = str(filepath)
    dmin = checked_resolution(dmin, source)
    gemmi = require("gemmi", "Calculating structure factors from coordinates")
    with reading(filepath, "coordinate file", "Check that it is whole.") as path:
        structure = gemmi.read_structure(path, format=gemmi.CoorFormat.Detect)
        # As the file places the atoms, with its SCALE records; the standard frame is for the density alone.
        stars = tuple(map(tuple, structure.cell.frac.mat.tolist()))
        structure.standardize_crystal_frame()
        copies = sum(not operator.given for operator in structure.ncs)
        if copies:
            structure.expand_ncs(gemmi.HowToNameCopiedChain.Dup)
            _log.info("%s: %d copies by non-crystallographic symmetry were added.", source, copies)
    found = factors_of_model(
        gemmi, structure, source, dmin, bulk_solvent=bulk_solvent, anomalous=anomalous, **options
    )  # fmt: skip
    return replace(found, stars=stars)


def checked_resolution(dmin: float | None, source: str) -> float:
    """``dmin``; ``ValueError`` unless it is a resolution in Angstrom to which a model can be calculated."""
    remedy = "Amplitudes of a model need a resolution: dmin=2.0."
    check_range(f"{source}: structure", "dmin", dmin, FINEST, COARSEST, unit="Angstrom", remedy=remedy)
    assert dmin is not None
    return dmin


def factors_of_model(
    gemmi: Any,
    structure: Any,
    source: str,
    dmin: float,
    *,
    bulk_solvent: bool = False,
    anomalous: Anomalous | None = None,
    **options: Any,
) -> StructureFactors:
    """Amplitudes of the first model of a ``gemmi.Structure``, arguments as of :func:`read_structure`.

    With A of the atoms' f0 + f' and solvent, and B of their f'', both of real densities, F(h) = A + iB and
    F(-h) = A* + iB*, whose amplitude is that of A - iB.
    """
    spacing = min(dmin / 3, _SPACING)
    _drop_unknown(structure, source)
    _check(structure, source, dmin, spacing)
    elements = {site.atom.element.name for site in structure[0].all()}
    corrections = corrections_of(sorted(elements), anomalous, source)
    calculator = _calculator(gemmi, structure, dmin, spacing)
    for symbol, (real, _) in corrections.items():
        calculator.addends.set(gemmi.Element(symbol), real)
    calculator.put_model_density_on_grid(structure[0])
    atoms = _transformed(gemmi, calculator, dmin)
    values = atoms.value_array.astype(np.complex128)
    if bulk_solvent:
        values = values + _solvent(gemmi, structure, dmin, spacing)
    plus = minus = np.abs(values)
    if any(imaginary for _, imaginary in corrections.values()):
        absorbing = _absorption(gemmi, structure, corrections, dmin, spacing)
        plus, minus = np.abs(values + 1j * absorbing), np.abs(values - 1j * absorbing)
    return structure_factors_in_p1(
        atoms.miller_array, plus, minus, structure.cell, structure.find_spacegroup(), source=source, **options
    )


def _drop_unknown(structure: Any, source: str) -> None:
    """Take out of the first model the atoms that have no scattering factor, with a warning that names them."""
    unknown: dict[str, list[int]] = {}
    for chain in structure[0] if len(structure) else ():
        for residue in chain:
            for index in reversed(range(len(residue))):
                atom = residue[index]
                if atom.element.atomic_number == 0 or atom.element.it92 is None:
                    unknown.setdefault(atom.element.name, []).append(atom.serial)
                    del residue[index]
    if unknown:
        names = ", ".join(f"{len(serials)} x {name} (atom {min(serials)})" for name, serials in unknown.items())
        warnings.warn(
            f"{source}: atoms of elements without scattering factors were left out: {names}. Correct their elements.",
            stacklevel=4,
        )


def _check(structure: Any, source: str, dmin: float, spacing: float) -> None:
    """Raise ``ValueError`` for a model whose density cannot be laid on a grid of ``spacing`` Angstrom."""
    if not len(structure) or not structure[0].count_atom_sites():
        raise ValueError(f"{source}: holds no atom. Give a file with coordinates.")
    cell = structure.cell
    if structure.find_spacegroup() is None or not cell.is_crystal() or not cell.volume > 0:
        raise ValueError(f"{source}: has no unit cell or no space group. Add a CRYST1 record, or _cell and _symmetry.")
    if cell.volume / spacing**3 > LARGEST_GRID:
        raise ValueError(
            f"{source}: a cell of {cell.volume:.3g} A^3 is too large for dmin = {dmin:g} Angstrom. "
            "Check the unit cell, or give a larger dmin."
        )
    points = math.ceil(cell.volume / spacing**3)
    remedy = "Check the unit cell, or give a larger dmin."
    check_memory("point of a density", points, source, "cell", f"{cell.volume:.3g} A^3", remedy)
    for site in structure[0].all():
        atom = site.atom
        within = max(map(abs, atom.pos.tolist())) < _LARGEST_POSITION and 0 <= atom.b_iso <= _LARGEST_B
        if not within or max(map(abs, atom.aniso.elements_pdb())) > _LARGEST_B or not 0 <= atom.occ <= 1:
            raise ValueError(
                f"{source}: atom {atom.serial} at {atom.pos.tolist()} has occupancy {atom.occ:g} and B {atom.b_iso:g}; "
                f"possible are {_LARGEST_POSITION:g} Angstrom, 0 to 1, and 0 to {_LARGEST_B:g} A^2. Mend or remove it."
            )


def _calculator(gemmi: Any, structure: Any, dmin: float, spacing: float) -> Any:
    """A calculator with an empty grid for the density of a model."""
    calculator = gemmi.DensityCalculatorX()
    calculator.d_min = dmin
    calculator.rate = dmin / (2 * spacing)
    calculator.cutoff = _DENSITY_CUTOFF
    calculator.set_grid_cell_and_spacegroup(structure)
    calculator.set_refmac_compatible_blur(structure[0])
    return calculator


def _transformed(gemmi: Any, calculator: Any, dmin: float) -> Any:
    """Reflections of the asymmetric unit and their complex structure factors, as gemmi's table."""
    transform = gemmi.transform_map_to_f_phi(calculator.grid, half_l=True)
    return transform.prepare_asu_data(dmin=dmin, unblur=calculator.blur, with_000=True)


def _absorption(
    gemmi: Any, structure: Any, corrections: Mapping[str, tuple[float, float]], dmin: float, spacing: float
) -> np.ndarray:
    """Complex structure factors (n,) of a model whose atoms scatter f'' each, for the same reflections."""
    calculator = _calculator(gemmi, structure, dmin, spacing)
    calculator.initialize_grid()
    for site in structure[0].all():
        imaginary = corrections.get(site.atom.element.name, (0.0, 0.0))[1]
        if imaginary:
            calculator.add_c_contribution_to_grid(site.atom, imaginary)
    calculator.grid.symmetrize_sum()
    table: np.ndarray = _transformed(gemmi, calculator, dmin).value_array.astype(np.complex128)
    return table


def _solvent(gemmi: Any, structure: Any, dmin: float, spacing: float) -> np.ndarray:
    """Complex structure factors (n,) of the flat solvent, for the same reflections."""
    mask = gemmi.FloatGrid()
    mask.setup_from(structure, spacing=spacing)
    gemmi.SolventMasker(gemmi.AtomicRadiiSet.Cctbx).put_mask_on_float_grid(mask, structure[0])
    table = gemmi.transform_map_to_f_phi(mask, half_l=True).prepare_asu_data(dmin=dmin, with_000=True)
    damping: np.ndarray = np.exp(-SOLVENT_B / 4 * table.make_1_d2_array())
    solvent: np.ndarray = SOLVENT_DENSITY * damping * table.value_array
    return solvent
