"""Real structures into the command: cell, orientation and amplitudes follow from the file, to the far corner."""

from pathlib import Path

import gemmi
import numpy as np
import pytest
import torch

from nanobrag_torch.cli.parse import parse
from nanobrag_torch.cli.precedence import configure, settings_of
from nanobrag_torch.cli.structure import MARGIN
from nanobrag_torch.data import EXAMPLE_STRUCTURE
from nanobrag_torch.io.structure_factors import load_structure_factors

CAMERA = "-detpixels 32 -pixel 2 -distance 100 -oversample 1 -nopgm -nonoise -noprogress"
MODEL = f"-hkl {EXAMPLE_STRUCTURE} -N 3 {CAMERA}"
CELL = gemmi.UnitCell(30, 40, 50, 90, 100, 90)
ORIENTED = """data_r
_cell.length_a 30
_cell.length_b 40
_cell.length_c 50
_cell.angle_alpha 90
_cell.angle_beta 100
_cell.angle_gamma 90
_symmetry.space_group_name_H-M 'P 1 21 1'
{matrix}
loop_
_refln.index_h
_refln.index_k
_refln.index_l
_refln.F_meas_au
0 2 0 20
1 2 3 10
2 1 4 30
"""


def configured(words):
    return configure(settings_of(parse(words.split())))


def write_mtz(path):
    mtz = gemmi.Mtz(with_base=True)
    mtz.spacegroup = gemmi.SpaceGroup("P 1 21 1")
    mtz.set_cell_for_all(CELL)
    mtz.add_dataset("test")
    for label in ("FP", "FC"):
        mtz.add_column(label, "F")
    mtz.set_data(np.array([[1, 2, 3, 10, 70], [0, 2, 0, 20, 80], [2, 1, 4, 30, 90]], dtype=np.float32))
    mtz.write_to_file(str(path))


def test_a_coordinate_file_is_an_image_of_its_own_cell_and_amplitudes(command, tmp_path):
    run = command(MODEL)
    assert run.exit_code == 0 and run.stderr == ""
    assert f"unit cell from {EXAMPLE_STRUCTURE}" in run.stdout
    assert "Unit Cell: 34.77 39.17 48.31 90 90 90" in run.stdout
    from_model = run.float_image((32, 32))
    assert from_model.max() > 0

    factors = load_structure_factors(EXAMPLE_STRUCTURE, dmin=configured(MODEL).structure.dmin)
    low = [factors.metadata[f"{axis}_min"] for axis in "hkl"]
    lines = [f"{h} {k} {l} {factors.grid[h - low[0], k - low[1], l - low[2]].item():.9g}"
             for h, k, l in (factors.grid.nonzero().numpy() + low).tolist()]  # fmt: skip
    (tmp_path / "P1.hkl").write_text("\n".join(lines))
    from_text = command(f"-hkl P1.hkl -cell 34.77 39.17 48.31 90 90 90 -N 3 {CAMERA}").float_image((32, 32))
    np.testing.assert_allclose(from_model, from_text, rtol=1e-5, atol=1e-7 * from_text.max())


def test_amplitudes_reach_a_little_beyond_the_corner_that_is_furthest_from_the_beam():
    centred = configured(MODEL).structure.dmin
    corner = np.hypot(32.0, 32.0)
    assert centred == pytest.approx(MARGIN / (2 * np.sin(np.arctan(corner / 100) / 2)), rel=0.06)
    assert configured(f"{MODEL} -Xbeam 0 -Ybeam 0").structure.dmin < 0.7 * centred
    assert configured(f"{MODEL} -lambda 2").structure.dmin == pytest.approx(2 * centred)
    assert configured(f"{MODEL} -dispersion 20 -dispsteps 3").structure.dmin == pytest.approx(0.9 * centred)
    assert configured(f"{MODEL} -dmin 5").structure.dmin == pytest.approx(MARGIN * 5)


def test_a_given_cell_stands_and_the_other_cell_of_the_amplitudes_is_remarked(command):
    run = command(f"{MODEL} -cell 40 39.17 48.31")
    assert "Unit Cell: 40 39.17 48.31 90 90 90" in run.stdout
    assert "belong to another cell, 34.77 39.17 48.31 90 90 90" in run.stderr


def test_columns_of_a_reflection_file_are_guessed_aloud_or_chosen(command, tmp_path):
    write_mtz(tmp_path / "t.mtz")
    assert "reading t.mtz: MTZ file, columns FP, P 1 21 1" in command(f"-hkl t.mtz -N 3 {CAMERA}").stdout
    assert "columns FC, P 1 21 1" in command(f"-hkl t.mtz -hkl_columns FC -N 3 {CAMERA}").stdout
    assert configured("-hkl t.mtz").structure.factors.grid.max() == 30
    assert configured("-hkl t.mtz -hkl_columns FC").structure.factors.grid.max() == 90


def test_bulk_solvent_weakens_low_angles_and_leaves_high_ones():
    dry, wet = (configured(f"{MODEL} {words}").structure.factors.grid for words in ("", "-bulk_solvent"))
    change = (wet - dry).abs() / dry.mean()
    middle = [length // 2 for length in dry.shape]
    low = change[tuple(slice(m - 2, m + 3) for m in middle)]
    assert low.mean() > 20 * change.mean() > 0


def test_amplitudes_that_are_not_listed_are_default_f():
    grid = configured(f"{MODEL} -default_F 7").structure.factors.grid
    assert grid[0, 0, 0] == 7 and grid[tuple(length // 2 for length in grid.shape)] > 1000


def test_the_orientation_of_coordinates_is_that_of_their_axes(command, tmp_path):
    structure = gemmi.read_structure(str(EXAMPLE_STRUCTURE))
    plain = command(f"{MODEL} -hkl_orientation")
    assert plain.exit_code == 0 and "orientation and unit cell from" in plain.stdout
    stars = np.stack([np.asarray(star) for star in _stars(f"{MODEL} -hkl_orientation")])
    np.testing.assert_allclose(stars, np.array(structure.cell.frac.mat.tolist()), atol=1e-12)

    turned = EXAMPLE_STRUCTURE.read_text().splitlines()
    scale = "SCALE1      0.000000  0.028760  0.000000        0.00000"
    turned = [scale if line.startswith("SCALE1") else line for line in turned]
    turned = [
        "SCALE2     -0.025530  0.000000  0.000000        0.00000" if line.startswith("SCALE2") else line
        for line in turned
    ]
    (tmp_path / "turned.pdb").write_text("\n".join(turned))
    stars = _stars(f"{MODEL.replace(str(EXAMPLE_STRUCTURE), 'turned.pdb')} -hkl_orientation")
    np.testing.assert_allclose(stars[0], (0, 0.02876, 0), atol=1e-6)
    np.testing.assert_allclose(stars[1], (-0.02553, 0, 0), atol=1e-6)


def _stars(words):
    crystal = configured(words).crystal
    return [crystal.mosflm_a_star, crystal.mosflm_b_star, crystal.mosflm_c_star]


def test_the_orientation_of_reflections_is_their_matrix(command, tmp_path):
    matrix = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))[0] @ np.array(CELL.frac.mat.tolist()).T
    text = "\n".join(f"_diffrn_orient_matrix.UB[{i + 1}][{j + 1}] {matrix[i, j]!r}" for i in range(3) for j in range(3))
    (tmp_path / "oriented.cif").write_text(ORIENTED.format(matrix=text.replace("np.float64(", "").replace(")", "")))
    np.testing.assert_allclose(np.stack(_stars("-hkl oriented.cif -hkl_orientation")), matrix.T, rtol=1e-12)
    run = command(f"-hkl oriented.cif -hkl_orientation -N 3 {CAMERA}")
    assert run.exit_code == 0 and "Unit Cell: 30 40 50 90 100 90" in run.stdout


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ("-hkl t.mtz -hkl_orientation", "t.mtz has no orientation"),
        ("-hkl plain.cif -hkl_orientation", "plain.cif has no orientation"),
        (f"-hkl {EXAMPLE_STRUCTURE} -hkl_orientation -mat A.mat", "-mat A.mat and -hkl_orientation"),
        ("-hkl t.mtz -bulk_solvent", "bulk_solvent means nothing for a MTZ file"),
        ("-hkl t.mtz -hkl_columns FX", "FX"),
        (f"-hkl {EXAMPLE_STRUCTURE} -hkl_columns FP", "columns means nothing for a coordinate file"),
        ("-hkl P1.hkl -cell 50 -bulk_solvent", "-bulk_solvent means something"),
        ("-cell 50 -default_F 1 -hkl_orientation", "-hkl_orientation means something"),
        ("-cell 50 -default_F 1 -hkl_values intensities", "-hkl_values means something"),
        ("-hkl P1.hkl -cell 50 -anomalous", "-anomalous means something for -hkl with models alone"),
        ("-hkl P1.hkl -cell 50 -hkl_values F2", "values = 'F2'"),
        ("-hkl t.mtz -hkl_values intensities", "values means nothing for a MTZ file"),
        ("-hkl t.mtz -anomalous", "anomalous means nothing for a MTZ file"),
        ("-hkl nowhere.pdb", "nowhere.pdb"),
        (f"-hkl {EXAMPLE_STRUCTURE} -lambda 0.1 -distance 10", "Give -dmin 0.32 or more"),
        (f"-hkl {EXAMPLE_STRUCTURE} -device nonsense", "nonsense"),
        ("-hkl cut.mtz", "cut.mtz"),
    ],
)
def test_what_makes_no_sense_for_a_file_is_refused_and_nothing_is_written(words, complaint, command, tmp_path):
    write_mtz(tmp_path / "t.mtz")
    (tmp_path / "cut.mtz").write_bytes((tmp_path / "t.mtz").read_bytes()[:90])
    (tmp_path / "plain.cif").write_text(ORIENTED.format(matrix=""))
    (tmp_path / "P1.hkl").write_text("1 2 3 4\n")
    (tmp_path / "A.mat").write_text("1 0 0 0 1 0 0 0 1\n")
    before = {path.name for path in tmp_path.iterdir()}
    run = command(f"{words} {CAMERA}")
    assert run.exit_code == 9
    assert complaint in run.stderr and "Traceback" not in run.stderr
    assert run.files == before


def test_a_text_file_still_needs_a_cell(command):
    run = command("-hkl P1.hkl -detpixels 8", {"P1.hkl": b"1 2 3 4\n"})
    assert run.exit_code == 9 and "usage: nanoBragg" in run.stdout


def test_the_dump_of_a_structure_repeats_its_image(command):
    first = command(MODEL).float_image((32, 32))
    again = command(f"-cell 34.77 39.17 48.31 -N 3 {CAMERA}").float_image((32, 32))
    np.testing.assert_array_equal(first, again)
    assert torch.as_tensor(first).sum() > 0


FILES = Path(__file__).parent.parent / "io" / "files"


@pytest.mark.filterwarnings("always")
def test_a_list_is_what_the_options_say_it_is(command, tmp_path):
    words = f"-hkl {FILES / 'shelx.hkl'} -cell 12 15 19 90 90 90 -N 3 {CAMERA}"
    told = command(words)
    assert told.exit_code == 0 and "F squared (HKLF 4) was assumed" in told.stderr
    said = command(f"{words} -hkl_values intensities")
    assert said.exit_code == 0 and said.stderr == ""
    np.testing.assert_array_equal(told.float_image((32, 32)), said.float_image((32, 32)))
    assert configured(f"{words} -hkl_values amplitudes").structure.factors.grid.max() > 400
    whole = configure(settings_of(parse([*f"{words} -hkl_values intensities -hkl_space_group".split(), "P 21 21 21"])))
    assert whole.structure.factors.metadata["hkls"] == 498


def test_anomalous_atoms_make_friedel_mates_differ(command, tmp_path):
    words = f"-hkl {FILES / 'smol.cif'} -lambda 1.3 -dmin 1.5"
    (tmp_path / "f.txt").write_text("CU -3.1 3.6\n")
    for option in ("-anomalous", f"-anomalous_table {tmp_path / 'f.txt'}"):
        grid = configured(f"{words} {option}").structure.factors.grid
        assert grid.max() > 100
        # P 21/c has a centre of symmetry, which keeps mates equal even so; the amplitudes themselves change.
        torch.testing.assert_close(grid, grid.flip(0, 1, 2))
        assert (grid - configured(words).structure.factors.grid).abs().max() > 1
    run = command(f"-hkl {EXAMPLE_STRUCTURE} -lambda 1.74 -dmin 6 -anomalous -N 3 {CAMERA}")
    assert "anomalous scattering, f' and f'' of Cromer and Liberman at 1.74 A" in run.stdout
    grid = configured(f"-hkl {EXAMPLE_STRUCTURE} -lambda 1.74 -dmin 6 -anomalous").structure.factors.grid
    assert (grid - grid.flip(0, 1, 2)).abs().max() > 1
