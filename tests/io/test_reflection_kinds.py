"""Reflection files of every kind: known by their content, and right to the last reflection.

The files hold amplitudes that can be worked out by hand: in P 21 21 21, F(h k l) = 10 + h + 3k + l of the indices
without their signs (see ``listed``); the others are those of gemmi, or of a direct sum, and stand here as numbers.
"""

from pathlib import Path

import gemmi
import numpy as np
import pytest
import torch
from reflections import amplitude_in

from nanobrag_torch.io.structure_factors import kind_of, load_structure_factors

FILES = Path(__file__).parent / "files"
LISTED = {(1, 2, 3): 20.0, (2, 1, 1): 16.0, (0, 0, 2): 12.0}
SHELX_WARNING = r"shelx\.hkl: a SHELX list says nowhere what it holds; F squared \(HKLF 4\) was assumed"


def read(path, **options):
    return load_structure_factors(path, dtype=torch.float64, **options)


def assert_amplitudes(factors, expected, tolerance=1e-6):
    for hkl, amplitude in expected.items():
        assert amplitude_in(factors, hkl) == pytest.approx(amplitude, rel=tolerance), hkl


@pytest.mark.parametrize(
    ("name", "kind", "expected", "count"),
    [
        ("sf_unfirst.cif", "mmCIF reflection file", LISTED, 498),
        ("sgnum.cif", "mmCIF reflection file", LISTED, 498),
        ("bang.hkl", "XDS_ASCII file", LISTED, 208),
        ("fcf.fcf", "CIF reflection file",
         {(1, 2, 3): 20, (-1, 2, -3): 20, (1, -2, 3): 20, (1, 0, 2): 13, (-2, 1, 2): 19}, 344),
        ("dexp.hkl", "text file of structure factors",
         {(1, 2, 3): 150, (-1, -2, -3): 150, (2, 1, 1): 0.75, (-2, -1, -1): 0.75, (0, 0, 2): 12}, 80),
        ("t.hkl.gz", "text file of structure factors", {(1, 2, 3): 20, (-1, -2, -3): 20, (0, 0, 2): 12}, 80),
    ],
)  # fmt: skip
def test_a_file_is_known_and_its_amplitudes_are_right(name, kind, expected, count):
    factors = read(FILES / name)
    assert kind_of(FILES / name).name == kind
    assert factors.metadata["hkls"] == count
    assert_amplitudes(factors, expected)


def test_an_item_of_a_shelx_fcf_is_chosen_by_its_name():
    assert_amplitudes(read(FILES / "fcf.fcf", columns="F_squared_calc"), {(1, 2, 3): 21})
    with pytest.raises(ValueError, match=r"no amplitudes in columns = \['FP'\]; it has .*Name one of F_squared_meas"):
        read(FILES / "fcf.fcf", columns="FP")


def test_a_shelx_list_holds_squares_unless_somebody_says_otherwise_and_ends_at_zero():
    with pytest.warns(UserWarning, match=SHELX_WARNING):
        factors = read(FILES / "shelx.hkl")
    assert kind_of(FILES / "shelx.hkl").name == "SHELX reflection list"
    assert factors.metadata["hkls"] == 90
    assert_amplitudes(factors, LISTED | {(0, 4, 3): 0.0})
    assert_amplitudes(read(FILES / "shelx.hkl", values="intensities"), LISTED)
    assert_amplitudes(read(FILES / "shelx.hkl", values="amplitudes"), {(1, 2, 3): 400.0})
    with pytest.raises(ValueError, match=r"values = 'F2'.*amplitudes, intensities"):
        read(FILES / "shelx.hkl", values="F2")


def test_observations_of_one_index_in_a_shelx_list_are_averaged_by_their_sigmas(tmp_path):
    lines = ["   1   2   3  100.00    1.00", "   1   2   3  140.00    2.00", "  -1  -2  -3   49.00    1.00"]
    (tmp_path / "t.hkl").write_text("\n".join([*lines, "   0   0   0    0.00    0.00", "what follows does not count"]))
    factors = read(tmp_path / "t.hkl", values="intensities")
    assert_amplitudes(factors, {(1, 2, 3): np.sqrt((100 + 140 / 4) / 1.25), (-1, -2, -3): 7.0})


def test_a_list_without_symmetry_is_expanded_by_the_group_that_is_given(tmp_path):
    factors = read(FILES / "shelx.hkl", values="intensities", space_group="P 21 21 21")
    assert_amplitudes(factors, {(1, 2, 3): 20, (-1, 2, 3): 20, (1, -2, -3): 20, (2, -1, 1): 16})
    assert factors.metadata["hkls"] == 498
    with pytest.raises(ValueError, match="space_group = 'P 9' is no space group"):
        read(FILES / "shelx.hkl", values="intensities", space_group="P 9")
    (tmp_path / "t.hkl").write_text("1 2 3 9\n")
    square = read(tmp_path / "t.hkl", values="intensities", space_group="P 1")
    assert_amplitudes(square, {(1, 2, 3): 3, (-1, -2, -3): 3})


def test_a_shelx_line_of_another_layout_is_refused_with_its_number(tmp_path):
    (tmp_path / "t.hkl").write_text("   1   2   3  100.00    1.00\n   1   2 x 3  100.00    1.00\n")
    with pytest.raises(ValueError, match=r"t\.hkl, line 2: .*Each line needs h k l in four columns"):
        read(tmp_path / "t.hkl", values="intensities")


def test_one_dataset_of_several_is_taken_aloud_or_by_name():
    with pytest.warns(UserWarning, match=r"those of native were taken \(F_NAT\)\. Others are mercury: F_HG, DANO_HG"):
        factors = read(FILES / "twods.mtz")
    assert factors.columns == ("F_NAT",)
    assert_amplitudes(factors, {(1, 2, 3): 220, (-1, -2, -3): 220})
    derivative = read(FILES / "twods.mtz", columns=("F_HG", "DANO_HG"))
    assert_amplitudes(derivative, {(1, 2, 3): 335, (-1, -2, -3): 305})
    assert_amplitudes(read(FILES / "twods.mtz", columns="mercury/F_HG"), {(1, 2, 3): 320})


def test_an_unmerged_mtz_file_without_batch_headers_is_merged_with_a_warning():
    with pytest.warns(UserWarning, match="unmerged observations; they were merged to weighted means"):
        factors = read(FILES / "rs_unmerged.mtz")
    assert_amplitudes(factors, LISTED)
    assert factors.metadata["hkls"] == 498 and factors.columns == ("I",)
    with pytest.raises(ValueError, match=r"one column of intensities \(type J\)"):
        read(FILES / "rs_unmerged.mtz", columns="SIGI")


def small_mtz(path, columns, values):
    mtz = gemmi.Mtz(with_base=True)
    mtz.spacegroup = gemmi.SpaceGroup("P 1 21 1")
    mtz.set_cell_for_all(gemmi.UnitCell(30, 40, 50, 90, 100, 90))
    mtz.add_dataset("test")
    for label, kind in columns:
        mtz.add_column(label, kind)
    mtz.set_data(np.array([[1, 2, 3, *values]], dtype=np.float32))
    mtz.write_to_file(str(path))
    return path


@pytest.mark.parametrize(
    ("labels", "kind"),
    [(("F(-)", "F(+)"), "G"), (("Fminus", "Fplus"), "G"), (("I(-)", "I(+)"), "K"), (("F_minus", "F_plus"), "G")],
)
def test_the_signs_in_the_labels_say_which_column_is_that_of_the_mate(tmp_path, labels, kind):
    values = (36.0, 49.0) if kind == "K" else (6.0, 7.0)
    path = small_mtz(tmp_path / "t.mtz", [(label, kind) for label in labels], values)
    for columns in (None, labels, labels[::-1]):
        factors = read(path, columns=columns)
        assert_amplitudes(factors, {(1, 2, 3): 7, (-1, -2, -3): 6})
        assert factors.columns == labels[::-1]


def test_columns_without_signs_stand_in_the_order_of_the_file(tmp_path):
    path = small_mtz(tmp_path / "t.mtz", [("FA", "G"), ("FB", "G")], (6.0, 7.0))
    assert_amplitudes(read(path), {(1, 2, 3): 6, (-1, -2, -3): 7})


def test_a_lonely_column_of_one_mate_is_no_pair(tmp_path):
    path = small_mtz(tmp_path / "t.mtz", [("F(+)", "G"), ("IMEAN", "J")], (6.0, 81.0))
    assert_amplitudes(read(path), {(1, 2, 3): 9, (-1, -2, -3): 9})


def cut_cif(*, cell="", unmerged_only=False):
    text = (FILES / "sf_unfirst.cif").read_text()
    if unmerged_only:
        return text[: text.index("data_r9xa2Asf")]
    lines = text[text.index("data_r9xa2Asf") :].splitlines()
    without = [line for line in lines if not line.startswith(("_cell.", "_symmetry."))]
    return "\n".join(without) + cell


def test_unmerged_mmcif_reflections_alone_are_merged_with_a_warning(tmp_path):
    (tmp_path / "t.cif").write_text(cut_cif(unmerged_only=True))
    with pytest.warns(UserWarning, match="no block is merged; the observations of r9xa2sf were merged"):
        factors = read(tmp_path / "t.cif")
    assert_amplitudes(factors, LISTED)


def test_cell_and_group_may_stand_in_another_block(tmp_path):
    lengths = "\n".join(f"_cell.length_{axis} {value}" for axis, value in zip("abc", (12, 15, 19), strict=True))
    angles = "\n".join(f"_cell.angle_{name} 90" for name in ("alpha", "beta", "gamma"))
    (tmp_path / "t.cif").write_text(cut_cif(cell=f"\n\ndata_model\n{lengths}\n{angles}\n_space_group.IT_number 19\n"))
    factors = read(tmp_path / "t.cif")
    assert factors.cell == (12, 15, 19, 90, 90, 90) and factors.space_group == "P 21 21 21"
    assert_amplitudes(factors, LISTED)
    (tmp_path / "bare.cif").write_text(cut_cif())
    with pytest.raises(ValueError, match=r"bare\.cif: has no space group or no unit cell"):
        read(tmp_path / "bare.cif")


def test_mates_are_kept_apart_where_xds_says_so(tmp_path):
    text = (FILES / "bang.hkl").read_text().replace("FRIEDEL'S_LAW=TRUE", "FRIEDEL'S_LAW=FALSE")
    line = next(line for line in text.splitlines() if line.split()[:3] == ["1", "2", "3"])
    mates = [line for line in text.splitlines() if line.lstrip()[:1] != "!"
             and [abs(int(word)) for word in line.split()[:3]] == [1, 2, 3]]  # fmt: skip
    kept = [each for each in text.splitlines() if each not in mates]
    own = line.split()
    assert len(own) == 12
    new = ["     1     2     3  1.000E+02  5.000E+00 " + " ".join(own[5:]),
           "    -1    -2    -3  8.100E+01  5.000E+00 " + " ".join(own[5:])]  # fmt: skip
    (tmp_path / "t.hkl").write_text("\n".join([*kept[:-1], *new, kept[-1], ""]))
    factors = read(tmp_path / "t.hkl")
    assert_amplitudes(factors, {(1, 2, 3): 10, (-1, -2, -3): 9, (1, -2, -3): 10, (-1, 2, 3): 9})


SCALEPACK = """    1
 -987
    12.000    15.000    19.000    90.000    90.000    90.000 p212121
   1   2   3   400.0     5.0   361.0     5.0
   2   1   1     0.0    -1.0   256.0     5.0
   0   0   2   144.0     5.0
"""


def test_a_scalepack_file_gives_cell_group_and_both_mates(tmp_path):
    (tmp_path / "t.sca").write_text(SCALEPACK)
    factors = read(tmp_path / "t.sca")
    assert kind_of(tmp_path / "t.sca").name == "Scalepack file"
    assert factors.cell == (12, 15, 19, 90, 90, 90) and factors.space_group == "P 21 21 21"
    expected = {(1, 2, 3): 20, (-1, -2, -3): 19, (-1, -2, 3): 20, (2, 1, 1): 16, (-2, -1, -1): 16, (0, 0, -2): 12}
    assert_amplitudes(factors, expected)
    assert read(tmp_path / "t.sca", dmin=8.0).metadata["hkls"] == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (SCALEPACK.replace("p212121", "p9"), r"t\.sca, line 3: .* no unit cell and space group"),
        (SCALEPACK.replace("   2   1   1", "   2   x   1"), r"t\.sca, line 5: .*Each line needs h k l"),
        (SCALEPACK[:50], r"t\.sca, line 3: .* is no unit cell"),
        ("    4 p212121\n  1  0  0  0  1  0  0  0  1\n  0  0  0\n", "unmerged Scalepack file, without a unit cell"),
    ],
    ids=["group", "line", "cut", "unmerged"],
)
def test_a_scalepack_file_that_cannot_be_used_is_refused(tmp_path, text, message):
    (tmp_path / "t.sca").write_text(text)
    with pytest.raises(ValueError, match=message):
        read(tmp_path / "t.sca")


CRYSTFEL = """CrystFEL reflection list version 2.0
Symmetry: {symmetry}
   h    k    l          I    phase   sigma(I)   nmeas
   1    2    3     400.00        -       5.00      12
   2    1    1     -20.00        -       5.00      12
End of reflections
Generated by hand
"""


@pytest.mark.parametrize(
    ("symmetry", "mates"),
    [
        ("mmm", [(1, 2, 3), (-1, 2, 3), (1, -2, 3), (1, 2, -3)]),
        ("222", [(1, 2, 3), (-1, -2, 3), (1, 2, -3)]),
        ("2/m_uab", [(1, 2, 3), (-1, 2, -3), (1, -2, 3)]),
        ("2/m", [(1, 2, 3), (-1, -2, 3), (1, 2, -3)]),
        ("321_H", [(1, 2, 3), (2, -3, 3), (2, 1, -3)]),
        ("1", [(1, 2, 3), (-1, -2, -3)]),
    ],
)
def test_a_crystfel_list_is_expanded_by_its_point_group(tmp_path, symmetry, mates):
    (tmp_path / "t.hkl").write_text(CRYSTFEL.format(symmetry=symmetry))
    factors = read(tmp_path / "t.hkl")
    assert kind_of(tmp_path / "t.hkl").name == "CrystFEL reflection list"
    assert_amplitudes(factors, dict.fromkeys(mates, 20.0) | {(2, 1, 1): 0.0})
    assert factors.cell is None and factors.space_group is None


def test_a_crystfel_list_keeps_mates_that_it_lists(tmp_path):
    line = "  -1   -2   -3     361.00        -       5.00      12\nEnd of reflections"
    (tmp_path / "t.hkl").write_text(CRYSTFEL.format(symmetry="222").replace("End of reflections", line))
    assert_amplitudes(read(tmp_path / "t.hkl"), {(1, 2, 3): 20, (-1, -2, 3): 20, (-1, -2, -3): 19, (1, 2, -3): 19})


@pytest.mark.parametrize("symmetry", ["nonsense", "mmm_uaa"])
def test_a_crystfel_symmetry_that_is_unknown_is_refused(tmp_path, symmetry):
    (tmp_path / "t.hkl").write_text(CRYSTFEL.format(symmetry=symmetry))
    with pytest.raises(ValueError, match=rf"Symmetry: '{symmetry}': must be a point group by CrystFEL's name"):
        read(tmp_path / "t.hkl")
