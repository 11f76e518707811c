"""Anomalous scattering of a model: Friedel mates differ by what a direct sum over its atoms gives."""

import gemmi
import numpy as np
import pytest
import torch
from reflections import amplitude_in

from nanobrag_torch.io.anomalous import anomalous_factors, read_anomalous_table
from nanobrag_torch.io.structure_factors import load_structure_factors

CELL = (11.0, 13.0, 17.0, 90.0, 90.0, 90.0)
#: Element, place (fractional), B and occupancy of the atoms of a P 1 and of a P 21 21 21 structure.
ATOMS = (
    ("SE", (0.11, 0.23, 0.31), 12.0, 1.0),
    ("S", (0.42, 0.05, 0.67), 18.0, 0.8),
    ("C", (0.7, 0.55, 0.2), 15.0, 1.0),
)
INDICES = ((1, 2, 3), (2, 1, 1), (3, 0, 1), (1, 1, 0), (4, 3, 2))


def write_model(path, group="P 1", atoms=ATOMS):
    cell = gemmi.UnitCell(*CELL)
    lines = ["CRYST1{:9.3f}{:9.3f}{:9.3f}{:7.2f}{:7.2f}{:7.2f} ".format(*CELL) + group]
    for number, (element, place, b, occupancy) in enumerate(atoms, 1):
        x, y, z = cell.orthogonalize(gemmi.Fractional(*place)).tolist()
        atom = f"HETATM{number:5d} {element:>2}   LIG A   1    {x:8.3f}{y:8.3f}{z:8.3f}{occupancy:6.2f}{b:6.2f}"
        lines.append(f"{atom:<76}{element:>2}")
    path.write_text("\n".join([*lines, "END", ""]))
    return path


def direct_sum(hkl, corrections, group="P 1"):
    """F of the atoms as written to the file (three decimals), with f0 of the International Tables."""
    cell, total = gemmi.UnitCell(*CELL), 0
    stol2 = cell.calculate_1_d2(hkl) / 4
    for element, place, b, occupancy in ATOMS:
        written = gemmi.Position(*np.round(cell.orthogonalize(gemmi.Fractional(*place)).tolist(), 3))
        symbol = element.capitalize()
        real, imaginary = corrections.get(symbol, (0.0, 0.0))
        f = gemmi.Element(symbol).it92.calculate_sf(stol2) + real + 1j * imaginary
        for op in gemmi.find_spacegroup_by_name(group).operations():
            x = op.apply_to_xyz(cell.fractionalize(written).tolist())
            total += occupancy * f * np.exp(-b * stol2) * np.exp(2j * np.pi * np.dot(hkl, x))
    return total


@pytest.mark.parametrize("group", ["P 1", "P 21 21 21"])
@pytest.mark.parametrize("anomalous", [0.9793, {"Se": (-7.5, 5.5), "s": (0.2, 0.5)}], ids=["wavelength", "table"])
def test_both_mates_are_those_of_a_direct_sum_over_the_atoms(tmp_path, group, anomalous):
    model = write_model(tmp_path / "t.pdb", group)
    factors = load_structure_factors(model, dmin=2.0, anomalous=anomalous, dtype=torch.float64)
    symbols = [element.capitalize() for element, *_ in ATOMS]
    by_wavelength = isinstance(anomalous, float)
    corrections = anomalous_factors(symbols, anomalous) if by_wavelength else {"Se": (-7.5, 5.5), "S": (0.2, 0.5)}
    differences = []
    for hkl in INDICES:
        mate = tuple(-index for index in hkl)
        plus, minus = (abs(direct_sum(each, corrections, group)) for each in (hkl, mate))
        assert amplitude_in(factors, hkl) == pytest.approx(plus, rel=2e-4, abs=2e-3)
        assert amplitude_in(factors, mate) == pytest.approx(minus, rel=2e-4, abs=2e-3)
        differences.append(abs(plus - minus))
    assert max(differences) > 0.3


def test_without_anomalous_scattering_friedel_mates_are_equal(tmp_path):
    factors = load_structure_factors(write_model(tmp_path / "t.pdb"), dmin=2.0, dtype=torch.float64)
    for hkl in INDICES:
        mate = tuple(-index for index in hkl)
        assert amplitude_in(factors, hkl) == amplitude_in(factors, mate)
        assert amplitude_in(factors, hkl) == pytest.approx(abs(direct_sum(hkl, {})), rel=2e-4, abs=2e-3)


def test_corrections_of_selenium_are_those_of_the_literature_on_either_side_of_its_edge():
    # Se K edge at 12658 eV; tables of Cromer and Liberman (Brennan and Cowan 1992) give f'' 0.5 below and 3.8 above.
    below, above = (anomalous_factors(["Se"], 12398.42 / energy)["Se"] for energy in (12600, 12700))
    assert below[1] == pytest.approx(0.5, abs=0.05) and above[1] == pytest.approx(3.8, abs=0.1)
    assert below[0] < -4 and above[0] < -4


def test_a_table_is_read_from_a_file_and_names_what_is_wrong_in_it(tmp_path):
    table = tmp_path / "f.txt"
    table.write_text("# element f' f''\nSE -7.5 5.5\nS 0.2 0.5 # from a scan\n\n")
    assert read_anomalous_table(table) == {"Se": (-7.5, 5.5), "S": (0.2, 0.5)}
    for text, message in (("Se -7.5\n", "line 1: 'Se -7.5'"), ("\nSe 1 x\n", "line 2"), ("# nothing\n", "no element")):
        table.write_text(text)
        with pytest.raises(ValueError, match=rf"f\.txt.*{message}"):
            read_anomalous_table(table)


@pytest.mark.parametrize(
    ("anomalous", "message"),
    [
        ({"Br": (1.0, 1.0)}, "anomalous names Br; the model has C, S, Se"),
        (0.0, "wavelength = 0.0"),
        (1e9, r"wavelength = 1e\+09|wavelength = 1000000000.0"),
        ({"Se": (float("nan"), 1.0)}, "not finite"),
    ],
    ids=["another element", "zero", "radio", "no number"],
)
def test_corrections_that_cannot_be_had_are_refused(tmp_path, anomalous, message):
    with pytest.raises(ValueError, match=message):
        load_structure_factors(write_model(tmp_path / "t.pdb"), dmin=2.0, anomalous=anomalous)


def test_anomalous_scattering_means_nothing_for_reflections(tmp_path):
    (tmp_path / "t.hkl").write_text("1 2 3 4\n")
    with pytest.raises(ValueError, match="anomalous means nothing for a text file"):
        load_structure_factors(tmp_path / "t.hkl", anomalous=1.0)
