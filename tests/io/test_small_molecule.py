"""Small molecules, copies by non-crystallographic symmetry and unknown elements: amplitudes of all atoms, once each."""

from pathlib import Path

import gemmi
import numpy as np
import pytest
import torch
from reflections import amplitude_in

from nanobrag_torch.data import EXAMPLE_STRUCTURE
from nanobrag_torch.io.structure_factors import kind_of, load_structure_factors

FILES = Path(__file__).parent / "files"
#: Direct sums over the atoms of smol.cif; its copper lies on an inversion centre, twice in the cell.
SMALL = {(0, 0, 0): 169.94, (1, 0, 0): 48.37, (0, 2, 0): 11.94, (1, 1, 1): 44.51, (1, 1, -1): 80.23, (2, 1, -3): 55.18}
#: Direct sums over both copies of mtrix.pdb.
COPIES = {(0, 0, 0): 215.94, (0, 0, 2): 107.17, (2, 1, 1): 40.90, (1, 2, 3): 26.55}
ANISOTROPIC = """
loop_
_atom_site_aniso_label
_atom_site_aniso_U_11
_atom_site_aniso_U_22
_atom_site_aniso_U_33
_atom_site_aniso_U_23
_atom_site_aniso_U_13
_atom_site_aniso_U_12
 O1 0.05(1) 0.02 0.03 0.004 0.011 -0.006
 N1 0.02 0.03 0.06 -0.005 0.012 0.003
"""


def test_a_small_molecule_gives_cell_and_amplitudes():
    factors = load_structure_factors(FILES / "smol.cif", dmin=1.0, dtype=torch.float64)
    assert kind_of(FILES / "smol.cif").name == "small-molecule CIF"
    assert factors.cell == (7.1, 9.3, 11.2, 90, 103.4, 90) and factors.space_group == "P 1 21/c 1"
    for hkl, amplitude in SMALL.items():
        assert amplitude_in(factors, hkl) == pytest.approx(amplitude, abs=0.006), hkl
    assert factors.stars is not None


def test_anisotropic_atoms_and_anomalous_copper_are_those_of_a_direct_sum(tmp_path):
    path = tmp_path / "t.cif"
    path.write_text((FILES / "smol.cif").read_text() + ANISOTROPIC)
    table = {"Cu": (-1.5, 2.5)}
    factors = load_structure_factors(path, dmin=1.0, anomalous=table, dtype=torch.float64)
    plain = load_structure_factors(FILES / "smol.cif", dmin=1.0, anomalous=table, dtype=torch.float64)
    small = gemmi.read_small_structure(str(path))
    small.change_occupancies_to_crystallographic()
    calculator = gemmi.StructureFactorCalculatorX(small.cell)
    calculator.addends.set(gemmi.Element("Cu"), -1.5)
    copper = gemmi.SmallStructure()
    copper.cell, copper.spacegroup = small.cell, small.spacegroup
    for site in small.sites:
        if site.element.name == "Cu":
            copper.add_site(site)
    copper.setup_cell_images()
    alone = gemmi.StructureFactorCalculatorX(small.cell)
    changes = []
    for hkl in SMALL:
        without = alone.calculate_sf_from_small_structure(copper, list(hkl))
        f0 = gemmi.Element("Cu").it92.calculate_sf(small.cell.calculate_1_d2(hkl) / 4)
        expected = abs(calculator.calculate_sf_from_small_structure(small, list(hkl)) + 2.5j * without / f0)
        assert amplitude_in(factors, hkl) == pytest.approx(expected, rel=3e-4, abs=3e-3), hkl
        changes.append(abs(amplitude_in(factors, hkl) - amplitude_in(plain, hkl)))
    assert max(changes) > 0.1


def test_copies_that_are_not_in_the_file_are_made_by_its_operators():
    factors = load_structure_factors(FILES / "mtrix.pdb", dmin=3.0, dtype=torch.float64)
    for hkl, amplitude in COPIES.items():
        assert amplitude_in(factors, hkl) == pytest.approx(amplitude, abs=0.006), hkl


def test_atoms_of_unknown_elements_are_left_out_with_a_warning(tmp_path):
    lines = EXAMPLE_STRUCTURE.read_text().splitlines()
    first = next(i for i, line in enumerate(lines) if line.startswith("ATOM"))
    without = [*lines[:first], *lines[first + 1 :]]
    for element in (" X", "ES"):
        changed = lines[first][:12] + " UNK" + lines[first][16:76].ljust(60) + element
        (tmp_path / "t.pdb").write_text("\n".join([*lines[:first], changed, *without[first:]]))
        (tmp_path / "less.pdb").write_text("\n".join(without))
        with pytest.warns(
            UserWarning, match=r"t\.pdb: atoms of elements without scattering factors .*: 1 x \w+ \(atom"
        ):
            factors = load_structure_factors(tmp_path / "t.pdb", dmin=6.0, dtype=torch.float64)
        less = load_structure_factors(tmp_path / "less.pdb", dmin=6.0, dtype=torch.float64)
        np.testing.assert_allclose(factors.grid, less.grid, rtol=1e-6, atol=1e-3)
        assert factors.grid.max() > 1000


def test_a_small_molecule_without_symmetry_or_resolution_is_refused(tmp_path):
    text = (FILES / "smol.cif").read_text()
    bare = text[: text.index("_symmetry_cell_setting")] + text[text.index("loop_\n_atom_site_label") :]
    (tmp_path / "t.cif").write_text(bare)
    with pytest.raises(ValueError, match=r"t\.cif: has no unit cell or no space group"):
        load_structure_factors(tmp_path / "t.cif", dmin=1.0)
    with pytest.raises(ValueError, match=r"dmin = None.*Amplitudes of a model need a resolution"):
        load_structure_factors(FILES / "smol.cif")
