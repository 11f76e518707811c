"""Amplitudes from coordinates, held against direct summation and against the symmetry of the crystal."""

import gzip

import gemmi
import numpy as np
import pytest
import torch
from reflections import amplitude_in

from nanobrag_torch.data import EXAMPLE_STRUCTURE
from nanobrag_torch.io.structure import SOLVENT_B, SOLVENT_DENSITY, read_structure

DMIN = 3.0


@pytest.fixture(scope="module")
def model():
    return gemmi.read_structure(str(EXAMPLE_STRUCTURE))


@pytest.fixture(scope="module")
def factors():
    return read_structure(EXAMPLE_STRUCTURE, DMIN, dtype=torch.float64)


def listed(factors):
    low = [factors.metadata[key] for key in ("h_min", "k_min", "l_min")]
    return factors.grid.nonzero().numpy() + low


def test_amplitudes_are_those_of_a_direct_sum_over_all_atoms(factors, model):
    calculator = gemmi.StructureFactorCalculatorX(model.cell)
    chosen = np.random.default_rng(3).choice(listed(factors), 200)
    direct = np.array([abs(calculator.calculate_sf_from_model(model[0], hkl.tolist())) for hkl in chosen])
    ours = np.array([amplitude_in(factors, hkl) for hkl in chosen])
    assert direct.mean() > 100
    np.testing.assert_allclose(ours, direct, rtol=1e-3, atol=1e-4 * direct.mean())


def test_the_direct_beam_has_all_electrons_of_the_cell(factors, model):
    electrons = sum(site.atom.element.atomic_number * site.atom.occ for site in model[0].all())
    assert amplitude_in(factors, (0, 0, 0)) == pytest.approx(4 * electrons, rel=2e-3)


def test_symmetry_mates_and_friedel_mates_have_one_amplitude(factors, model):
    group = model.find_spacegroup().operations()
    for h, k, l in np.random.default_rng(4).choice(listed(factors), 100).tolist():
        here = amplitude_in(factors, (h, k, l))
        for operation in group.sym_ops:
            mate = operation.apply_to_hkl([h, k, l])
            assert amplitude_in(factors, mate) == here
            assert amplitude_in(factors, [-index for index in mate]) == here


def test_screw_axes_extinguish_odd_axial_reflections(factors):
    assert [amplitude_in(factors, (h, 0, 0)) for h in (1, 3, 5, 7)] == [0, 0, 0, 0]
    assert min(amplitude_in(factors, (h, 0, 0)) for h in (2, 4, 6)) > 1


def test_every_reflection_to_the_resolution_is_there_and_none_beyond(factors, model):
    resolution = model.cell.calculate_d_array(np.ascontiguousarray(listed(factors), dtype=np.int32)[1:])
    assert resolution.min() >= DMIN
    volume_of_sphere = 4 / 3 * np.pi / DMIN**3 * model.cell.volume
    assert factors.metadata["hkls"] == pytest.approx(volume_of_sphere, rel=0.03)
    assert factors.metadata["hkls"] == len(listed(factors))


def test_cell_and_space_group_come_from_the_file(factors):
    assert factors.cell == (34.77, 39.17, 48.31, 90, 90, 90)
    assert factors.space_group == "P 21 21 21"
    assert factors.cell_fields()["cell_b"] == 39.17


def test_bulk_solvent_adds_the_transform_of_what_the_atoms_leave_free(factors):
    wet = read_structure(EXAMPLE_STRUCTURE, DMIN, bulk_solvent=True, dtype=torch.float64)
    volume = np.prod(factors.cell[:3])
    free = (amplitude_in(wet, (0, 0, 0)) - amplitude_in(factors, (0, 0, 0))) / (SOLVENT_DENSITY * volume)
    assert 0.3 < free < 0.45
    high = np.array([hkl for hkl in listed(factors) if max(abs(hkl)) > 10])
    change = np.array([amplitude_in(wet, hkl) - amplitude_in(factors, hkl) for hkl in high])
    # A mask cannot scatter more than its own amplitude, damped by its displacement factor.
    assert 0 < np.abs(change).max() < SOLVENT_DENSITY * volume * free * np.exp(-SOLVENT_B / 4 / 5**2)


def test_mmcif_and_gzipped_files_give_the_same_amplitudes(factors, model, tmp_path):
    model.make_mmcif_document().write_file(str(tmp_path / "model.cif"))
    (tmp_path / "model.pdb.gz").write_bytes(gzip.compress(EXAMPLE_STRUCTURE.read_bytes()))
    for name in ("model.cif", "model.pdb.gz"):
        again = read_structure(tmp_path / name, DMIN, dtype=torch.float64)
        torch.testing.assert_close(again.grid, factors.grid, rtol=1e-6, atol=1e-3)
        assert (again.cell, again.space_group) == (factors.cell, factors.space_group)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (lambda line: not line.startswith(("ATOM", "HETATM")), "holds no atom"),
        (lambda line: not line.startswith("CRYST1"), "no unit cell or no space group"),
    ],
)
def test_an_incomplete_file_is_refused_with_what_it_lacks(tmp_path, lines, message):
    path = tmp_path / "cut.pdb"
    path.write_text("".join(line for line in EXAMPLE_STRUCTURE.read_text().splitlines(True) if lines(line)))
    with pytest.raises(ValueError, match=rf"cut\.pdb.*{message}"):
        read_structure(path, DMIN)


@pytest.mark.parametrize("dmin", [None, 0.0, -1.0, 0.1, float("nan")])
def test_a_resolution_is_asked_for_where_it_is_missing_or_impossible(dmin):
    with pytest.raises(ValueError, match=r"dmin.*Amplitudes of a model need a resolution: dmin=2\.0"):
        read_structure(EXAMPLE_STRUCTURE, dmin)


def test_a_cell_too_large_for_its_resolution_is_refused_before_any_memory_is_taken(tmp_path):
    path = tmp_path / "huge.pdb"
    path.write_text(EXAMPLE_STRUCTURE.read_text().replace("   34.770   39.170   48.310", " 9000.000 9000.000 9000.000"))
    with pytest.raises(ValueError, match=r"huge\.pdb: a cell of 7\.29e\+11 A\^3 is too large for dmin = 3"):
        read_structure(path, DMIN)


@pytest.mark.parametrize(
    ("column", "text"),
    [(60, "9999.0"), (60, " -5.00"), (54, "  7.00"), (30, "9999999.")],
    ids=["B", "-B", "occupancy", "x"],
)
def test_an_atom_whose_columns_have_slipped_is_named(tmp_path, column, text):
    lines = EXAMPLE_STRUCTURE.read_text().splitlines(True)
    index = next(i for i, line in enumerate(lines) if line.startswith("ATOM     10 "))
    lines[index] = lines[index][:column] + text + lines[index][column + len(text) :]
    (tmp_path / "slip.pdb").write_text("".join(lines))
    with pytest.raises(ValueError, match=r"slip\.pdb: atom 10 at .* has occupancy .* and B .*Mend or remove it"):
        read_structure(tmp_path / "slip.pdb", DMIN)


def test_coordinates_in_a_frame_of_their_own_give_the_same_amplitudes(factors, tmp_path):
    """Both the axes and the atoms are turned by 90 degrees about z, as old depositions do."""
    turned = []
    for line in EXAMPLE_STRUCTURE.read_text().splitlines(True):
        if line.startswith(("ATOM", "HETATM")):
            x, y = float(line[30:38]), float(line[38:46])
            line = f"{line[:30]}{-y:8.3f}{x:8.3f}{line[46:]}"
        turned.append(line)
    text = "".join(turned)
    text = text.replace("SCALE1      0.028760  0.000000", "SCALE1      0.000000  0.028760")
    text = text.replace("SCALE2      0.000000  0.025530", "SCALE2     -0.025530  0.000000")
    (tmp_path / "turned.pdb").write_text(text)
    again = read_structure(tmp_path / "turned.pdb", DMIN, dtype=torch.float64)
    # SCALE has five digits after the point, so atoms far from the origin move by a few thousandths of an Angstrom.
    assert (again.grid - factors.grid).abs().sum().item() < 1e-2 * factors.grid.sum().item()
