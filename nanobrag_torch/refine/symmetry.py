"""Cells under symmetry: edges that are equal and angles that are fixed, by crystal system or space group."""

from dataclasses import dataclass

from nanobrag_torch.io.files import require
from nanobrag_torch.validation import check_choice, fail

EDGES = ("crystal.cell_a", "crystal.cell_b", "crystal.cell_c")
ANGLES = ("crystal.cell_alpha", "crystal.cell_beta", "crystal.cell_gamma")
_A, _B, _C = EDGES
_ALPHA, _BETA, _GAMMA = ANGLES


@dataclass(frozen=True)
class CellSymmetry:
    """Constraints of a cell.

    Attributes:
        ties: a quantity to the one that it equals.
        fixed: a quantity to its value, degrees.
    """

    ties: dict[str, str]
    fixed: dict[str, float]


_RIGHT = dict.fromkeys(ANGLES, 90.0)
_ONE_EDGE = {_B: _A, _C: _A}

#: Constraints by crystal system; those of a hexagonal cell hold for trigonal crystals in hexagonal axes.
SYSTEMS: dict[str, CellSymmetry] = {
    "triclinic": CellSymmetry({}, {}),
    "monoclinic": CellSymmetry({}, {_ALPHA: 90.0, _GAMMA: 90.0}),
    "orthorhombic": CellSymmetry({}, _RIGHT),
    "tetragonal": CellSymmetry({_B: _A}, _RIGHT),
    "trigonal": CellSymmetry({_B: _A}, {_ALPHA: 90.0, _BETA: 90.0, _GAMMA: 120.0}),
    "hexagonal": CellSymmetry({_B: _A}, {_ALPHA: 90.0, _BETA: 90.0, _GAMMA: 120.0}),
    "rhombohedral": CellSymmetry({**_ONE_EDGE, _BETA: _ALPHA, _GAMMA: _ALPHA}, {}),
    "cubic": CellSymmetry(_ONE_EDGE, _RIGHT),
}

#: The angle that a monoclinic cell leaves free, by the axis of its symmetry.
_UNIQUE = {"a": _ALPHA, "b": _BETA, "c": _GAMMA}


def cell_symmetry(system: str | None = None, space_group: str | None = None) -> CellSymmetry:
    """Constraints of a cell by the name of its system, or by its space group.

    Args:
        system: a key of :data:`SYSTEMS`; "monoclinic" with b as the axis of symmetry.
        space_group: symbol of Hermann and Mauguin, such as "P 43 21 2".

    Raises:
        ValueError: there is no such system or group, or both are given.
        ImportError: gemmi is missing, and there is a ``space_group``.
    """
    if system is not None and space_group is not None:
        raise fail("refine", "system", system, f"left out beside space_group = {space_group!r}", "Give one of them.")
    if space_group is None:
        check_choice("refine", "system", system or "triclinic", tuple(SYSTEMS), "Name the crystal system.")
        return SYSTEMS[system or "triclinic"]
    group = require("gemmi", "Constraints of a space group").find_spacegroup_by_name(space_group)
    if group is None:
        raise fail("refine", "space_group", space_group, "a symbol such as 'P 43 21 2'", "")
    name = group.crystal_system_str()
    if name == "trigonal" and group.ext == "R":
        name = "rhombohedral"
    if name == "monoclinic":
        free = _UNIQUE[group.monoclinic_unique_axis()]
        return CellSymmetry({}, {angle: 90.0 for angle in ANGLES if angle != free})
    return SYSTEMS[name]
