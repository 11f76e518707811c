"""One function for every kind of file: the content decides, whatever the name says."""

import gemmi
import numpy as np
import pytest
import torch
from reflections import amplitude_in

from nanobrag_torch.config import CrystalConfig
from nanobrag_torch.data import EXAMPLE_STRUCTURE
from nanobrag_torch.io.fdump import write_fdump
from nanobrag_torch.io.mtz import read_mtz, read_reflection_cif
from nanobrag_torch.io.structure import read_structure
from nanobrag_torch.io.structure_factors import kind_of, load_structure_factors
from nanobrag_torch.models import Crystal

TEXT = "0 0 1 5.5\n1 -2 0 7\n"


@pytest.fixture
def small_mtz(tmp_path):
    mtz = gemmi.Mtz(with_base=True)
    mtz.spacegroup = gemmi.SpaceGroup("P 21")
    mtz.set_cell_for_all(gemmi.UnitCell(30, 40, 50, 90, 100, 90))
    mtz.add_dataset("test")
    mtz.add_column("FP", "F")
    mtz.add_column("SIGFP", "Q")
    mtz.set_data(np.array([[1, 2, 3, 10, 1], [0, 2, 0, 20, 1], [-4, 1, 5, 30, 1]], dtype=np.float32))
    path = tmp_path / "small.bin"
    mtz.write_to_file(str(path))
    return path


def test_text_and_dump_are_told_apart(tmp_path):
    text, dump = tmp_path / "a", tmp_path / "b"
    text.write_text(TEXT)
    from_text = load_structure_factors(text, default_F=2.0, dtype=torch.float64)
    write_fdump(from_text.grid, from_text.metadata, dump)
    from_dump = load_structure_factors(dump, dtype=torch.float64)
    assert from_text.grid.sum().item() == 5.5 + 7 + 2 * (from_text.grid.numel() - 2)
    assert torch.equal(from_dump.grid, from_text.grid)
    assert from_text.cell is from_dump.cell is None
    with pytest.raises(ValueError, match="came without a unit cell"):
        from_text.cell_fields()


def test_reflection_files_are_known_by_their_content(small_mtz, tmp_path):
    cif = tmp_path / "small.txt"
    cif.write_text(gemmi.MtzToCif().write_cif_to_string(gemmi.read_mtz_file(str(small_mtz))))
    assert torch.equal(load_structure_factors(small_mtz).grid, read_mtz(small_mtz).grid)
    assert torch.equal(load_structure_factors(cif).grid, read_reflection_cif(cif).grid)
    assert load_structure_factors(cif).grid.max().item() == 30


def test_coordinates_are_known_by_their_content_in_both_formats(tmp_path):
    cif = tmp_path / "model.txt"
    gemmi.read_structure(str(EXAMPLE_STRUCTURE)).make_mmcif_document().write_file(str(cif))
    expected = read_structure(EXAMPLE_STRUCTURE, 6.0, bulk_solvent=True)
    assert expected.grid.max().item() > 1000
    for path in (EXAMPLE_STRUCTURE, cif):
        factors = load_structure_factors(path, dmin=6.0, bulk_solvent=True)
        torch.testing.assert_close(factors.grid, expected.grid, rtol=1e-5, atol=1e-2)


def test_a_crystal_takes_cell_and_amplitudes_of_a_protein_as_they_are():
    factors = load_structure_factors(EXAMPLE_STRUCTURE, dmin=4.0, dtype=torch.float64)
    crystal = Crystal(CrystalConfig(**factors.cell_fields(), N_cells=(5, 5, 5)), dtype=torch.float64)
    crystal.hkl_data, crystal.hkl_metadata = factors.grid, factors.metadata
    h, k, l = (torch.tensor(index, dtype=torch.float64) for index in ([1, -1, 0], [2, 2, 0], [3, -3, 4]))
    amplitudes = crystal.get_structure_factor(h, k, l).tolist()
    assert amplitudes[0] == amplitudes[1] == amplitude_in(factors, (1, 2, 3)) > 0
    assert amplitudes[2] == amplitude_in(factors, (0, 0, 4)) > 0
    assert crystal.volume.item() == pytest.approx(34.77 * 39.17 * 48.31)


@pytest.mark.parametrize(
    ("option", "value"), [("dmin", 2.0), ("columns", "FP"), ("bulk_solvent", True)], ids=["dmin", "columns", "solvent"]
)
def test_an_option_that_means_nothing_for_a_text_file_is_refused(tmp_path, option, value):
    (tmp_path / "t.hkl").write_text(TEXT)
    with pytest.raises(ValueError, match=rf"{option} means nothing for a text file of structure factors.*Leave it out"):
        load_structure_factors(tmp_path / "t.hkl", **{option: value})


def test_a_damaged_gzip_file_is_refused(tmp_path):
    (tmp_path / "t.hkl").write_bytes(b"\x1f\x8b\x08 broken")
    with pytest.raises(ValueError, match=r"t\.hkl: cannot be decompressed"):
        load_structure_factors(tmp_path / "t.hkl")


def test_a_missing_package_is_named_with_the_command_that_installs_it(small_mtz, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "gemmi", None)
    with pytest.raises(ImportError, match=r"needs the Python package gemmi.*pip install nanobrag-torch\[io\]"):
        load_structure_factors(small_mtz)


def test_a_file_of_empty_lines_is_told_from_others_as_fast_as_it_is_read(tmp_path):
    # A sign that looks for a word over many lines would try each line against all that follow: minutes for this file.
    path = tmp_path / "P1.hkl"
    path.write_text("\n" * 500_000 + TEXT)
    assert kind_of(path).name == "text file of structure factors"
