"""Reflection files: which columns are read, and how the asymmetric unit becomes P1 with both Friedel mates."""

import logging

import gemmi
import numpy as np
import pytest
import torch
from reflections import amplitude_in

from nanobrag_torch.io.mtz import read_mtz, read_reflection_cif

CELL = gemmi.UnitCell(50, 50, 70, 90, 90, 120)
GROUP = gemmi.SpaceGroup("P 31 2 1")
INDICES = [hkl for hkl in np.ndindex(5, 5, 6) if any(hkl) and GROUP.operations().epsilon_factor(hkl) == 1]
PLUS = {hkl: 100.0 + i for i, hkl in enumerate(INDICES)}


def asymmetric_unit():
    asu = gemmi.ReciprocalAsu(GROUP)
    return [hkl for hkl in INDICES if asu.is_in(hkl)]


def mtz_file(path, columns, group=GROUP, rows=None):
    """An MTZ file with columns label -> (type, value of h)."""
    rows = asymmetric_unit() if rows is None else rows
    mtz = gemmi.Mtz(with_base=True)
    mtz.spacegroup = group
    mtz.set_cell_for_all(CELL)
    mtz.add_dataset("test")
    for label, (kind, _) in columns.items():
        mtz.add_column(label, kind)
    table = [[*hkl, *(value(hkl) for _, value in columns.values())] for hkl in rows]
    mtz.set_data(np.array(table, dtype=np.float32).reshape(len(rows), 3 + len(columns)))
    mtz.write_to_file(str(path))
    return path


def mates(hkl):
    return [operation.apply_to_hkl(list(hkl)) for operation in GROUP.operations().sym_ops]


def negative(hkl):
    return tuple(-index for index in hkl)


def test_a_mean_amplitude_stands_at_every_mate_and_friedel_mate(tmp_path):
    factors = read_mtz(mtz_file(tmp_path / "t.mtz", {"FP": ("F", PLUS.get)}))
    for hkl in asymmetric_unit():
        for mate in mates(hkl):
            assert amplitude_in(factors, mate) == PLUS[hkl]
            assert amplitude_in(factors, negative(mate)) == PLUS[hkl]
    assert factors.metadata["hkls"] == factors.grid.count_nonzero().item()
    assert factors.space_group == "P 31 2 1"
    assert factors.cell == CELL.parameters


def test_the_expansion_agrees_with_that_of_gemmi(tmp_path):
    path = mtz_file(tmp_path / "t.mtz", {"FP": ("F", PLUS.get)})
    factors = read_mtz(path)
    mtz = gemmi.read_mtz_file(str(path))
    mtz.expand_to_p1()
    theirs = {tuple(row[:3].astype(int)): row[3] for row in np.array(mtz)}
    assert len(theirs) > 300
    assert all(amplitude_in(factors, hkl) == value for hkl, value in theirs.items())
    both = theirs | {negative(hkl): value for hkl, value in theirs.items()}
    assert factors.metadata["hkls"] == len(both)


def acentric():
    group = GROUP.operations()
    return [hkl for hkl in asymmetric_unit() if not group.is_reflection_centric(hkl)]


@pytest.mark.parametrize(
    "columns",
    [
        {"F(+)": ("G", PLUS.get), "F(-)": ("G", lambda hkl: PLUS[hkl] - 8)},
        {"FP": ("F", lambda hkl: PLUS[hkl] - 4), "DANO": ("D", lambda hkl: 8)},
        {"I(+)": ("K", lambda hkl: PLUS[hkl] ** 2), "I(-)": ("K", lambda hkl: (PLUS[hkl] - 8) ** 2)},
    ],
    ids=["pair", "mean and difference", "intensities"],
)
def test_anomalous_mates_differ_and_follow_their_hand(tmp_path, columns):
    factors = read_mtz(mtz_file(tmp_path / "t.mtz", columns, rows=acentric()))
    for hkl in acentric():
        for mate in mates(hkl):
            assert amplitude_in(factors, mate) == pytest.approx(PLUS[hkl], rel=1e-6)
            assert amplitude_in(factors, negative(mate)) == pytest.approx(PLUS[hkl] - 8, rel=1e-6)


def test_a_mate_that_was_not_measured_takes_the_amplitude_of_the_other(tmp_path):
    columns = {"F(+)": ("G", lambda hkl: np.nan), "F(-)": ("G", PLUS.get)}
    factors = read_mtz(mtz_file(tmp_path / "t.mtz", columns))
    hkl = acentric()[0]
    assert amplitude_in(factors, hkl) == amplitude_in(factors, negative(hkl)) == PLUS[hkl]


def test_intensities_give_their_roots_and_negative_ones_nothing(tmp_path):
    first, second = acentric()[:2]
    values = {first: 49.0, second: -3.0}
    factors = read_mtz(mtz_file(tmp_path / "t.mtz", {"IMEAN": ("J", values.get)}, rows=[first, second]))
    assert amplitude_in(factors, first) == 7
    assert amplitude_in(factors, second) == 0


def test_reflections_without_a_value_have_the_default_amplitude(tmp_path):
    first, second = acentric()[:2]
    values = {first: 49.0, second: np.nan}
    path = mtz_file(tmp_path / "t.mtz", {"FP": ("F", values.get)}, rows=[first, second])
    factors = read_mtz(path, default_F=3.0)
    assert amplitude_in(factors, first) == 49
    assert factors.metadata["hkls"] == 12
    assert (factors.grid == 3.0).sum().item() == factors.grid.numel() - 12


def test_the_first_amplitude_column_is_chosen_and_the_log_says_which(tmp_path, caplog):
    columns = {"FP": ("F", PLUS.get), "FC": ("F", lambda hkl: 1.0), "I": ("J", lambda hkl: 4.0)}
    path = mtz_file(tmp_path / "t.mtz", columns)
    with caplog.at_level(logging.INFO):
        chosen = read_mtz(path)
    assert "amplitudes from FP; columns=... chooses others of H:H K:H L:H FP:F FC:F I:J" in caplog.text
    assert torch.equal(chosen.grid, read_mtz(path, "FP").grid)
    assert read_mtz(path, "FC").grid.max().item() == 1
    assert read_mtz(path, ["I"]).grid.max().item() == 2


def test_the_resolution_cuts_the_list(tmp_path):
    path = mtz_file(tmp_path / "t.mtz", {"FP": ("F", PLUS.get)})
    cut = read_mtz(path, dmin=15.0)
    kept = [hkl for hkl in asymmetric_unit() if CELL.calculate_d(hkl) >= 15.0]
    assert 0 < len(kept) < len(asymmetric_unit())
    assert cut.metadata["hkls"] == len({tuple(m) for hkl in kept for m in (*mates(hkl), *map(negative, mates(hkl)))})


def test_an_mmcif_file_gives_the_amplitudes_of_the_mtz_file(tmp_path):
    path = mtz_file(tmp_path / "t.mtz", {"FP": ("F", PLUS.get), "SIGFP": ("Q", lambda hkl: 1.0)})
    (tmp_path / "t.cif").write_text(gemmi.MtzToCif().write_cif_to_string(gemmi.read_mtz_file(str(path))))
    from_mtz, from_cif = read_mtz(path), read_reflection_cif(tmp_path / "t.cif")
    torch.testing.assert_close(from_cif.grid, from_mtz.grid)
    assert from_mtz.grid.max().item() > 100
    assert (from_cif.metadata, from_cif.space_group) == (from_mtz.metadata, from_mtz.space_group)


@pytest.mark.parametrize(
    ("columns", "message"),
    [("PHI", r"columns = \['PHI'\] are no amplitudes"), ("nowhere", r"it has H:H K:H L:H FP:F PHI:P \(name:type\)")],
)
def test_a_column_that_holds_no_amplitude_is_refused_with_what_there_is(tmp_path, columns, message):
    path = mtz_file(tmp_path / "t.mtz", {"FP": ("F", PLUS.get), "PHI": ("P", lambda hkl: 0.0)})
    with pytest.raises(ValueError, match=message):
        read_mtz(path, columns)


def test_a_file_without_amplitudes_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"no column holds amplitudes or intensities; it has .* PHI:P"):
        read_mtz(mtz_file(tmp_path / "t.mtz", {"PHI": ("P", lambda hkl: 0.0)}))
    with pytest.raises(ValueError, match="hold no amplitude"):
        read_mtz(mtz_file(tmp_path / "t.mtz", {"FP": ("F", lambda hkl: np.nan)}))
    with pytest.raises(ValueError, match="no reflection"):
        read_mtz(mtz_file(tmp_path / "t.mtz", {"FP": ("F", PLUS.get)}), dmin=1000.0)


def test_what_is_no_reflection_file_is_refused_with_its_name(tmp_path):
    (tmp_path / "t.mtz").write_text("not an MTZ file")
    (tmp_path / "t.cif").write_text("data_t\n_cell.length_a 10\n")
    with pytest.raises(ValueError, match=r"t\.mtz: this MTZ file cannot be read"):
        read_mtz(tmp_path / "t.mtz")
    with pytest.raises(ValueError, match=r"t\.cif: this mmCIF file has no table of merged reflections"):
        read_reflection_cif(tmp_path / "t.cif")
    with pytest.raises(FileNotFoundError, match=r"MTZ file cannot be read.*nowhere\.mtz"):
        read_mtz(tmp_path / "nowhere.mtz")


def test_a_header_that_announces_more_than_the_file_holds_is_refused_before_memory_is_taken(tmp_path):
    path = mtz_file(tmp_path / "t.mtz", {"FP": ("F", PLUS.get)})
    content = path.read_bytes()
    count = len(asymmetric_unit())
    path.write_bytes(content.replace(b"NCOL        4 %12d" % count, b"NCOL        4 %12d" % 500000000))
    with pytest.raises(ValueError, match="its header announces 500000000 reflections in columns 'H:H K:H L:H FP:F'"):
        read_mtz(path)


def test_columns_that_were_read_are_named(tmp_path):
    path = mtz_file(tmp_path / "t.mtz", {"FP": ("F", PLUS.get), "FC": ("F", PLUS.get)})
    assert read_mtz(path).columns == ("FP",) and read_mtz(path, columns="FC").columns == ("FC",)
    assert read_mtz(path).stars is None
