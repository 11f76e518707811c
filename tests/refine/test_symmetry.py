"""Constraints of cells against the cells that gemmi allows."""

import gemmi
import pytest

from nanobrag_torch.refine.symmetry import ANGLES, EDGES, SYSTEMS, cell_symmetry

GROUPS = ["P 1", "P 1 21 1", "P 1 1 2", "P 21 21 21", "P 43 21 2", "P 31 2 1", "R 3:H", "R 3:R", "P 61 2 2", "I 2 3"]


@pytest.mark.parametrize("symbol", GROUPS)
def test_a_cell_of_the_constraints_is_compatible_with_the_group_and_a_freer_one_is_not(symbol):
    group, symmetry = gemmi.find_spacegroup_by_name(symbol), cell_symmetry(space_group=symbol)
    values = dict(zip((*EDGES, *ANGLES), (50.0, 60.0, 70.0, 81.0, 82.0, 83.0), strict=True))
    values |= symmetry.fixed
    values |= {tied: values[root] for tied, root in symmetry.ties.items()}
    cell = gemmi.UnitCell(*(values[name] for name in (*EDGES, *ANGLES)))
    assert cell.is_compatible_with_spacegroup(group)
    for name in (*symmetry.ties, *symmetry.fixed):
        off = gemmi.UnitCell(*(values[each] * (1.02 if each == name else 1.0) for each in (*EDGES, *ANGLES)))
        assert not off.is_compatible_with_spacegroup(group)


def test_a_system_is_found_by_its_name():
    assert cell_symmetry("cubic") == cell_symmetry(space_group="P 2 3")
    assert cell_symmetry() == SYSTEMS["triclinic"]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"system": "qubic"}, "one of triclinic"),
        ({"space_group": "P 7"}, "a symbol such as"),
        ({"system": "cubic", "space_group": "P 2 3"}, "left out beside space_group"),
    ],
)
def test_what_is_no_symmetry_is_refused(given, words):
    with pytest.raises(ValueError, match=words):
        cell_symmetry(**given)
