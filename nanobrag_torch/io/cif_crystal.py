"""Unit cell and space group of CIF documents, under the names of both dictionaries (mmCIF and small molecules)."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

_CELL = ("length_a", "length_b", "length_c", "angle_alpha", "angle_beta", "angle_gamma")
_HERMANN_MAUGUIN = (
    "_symmetry{}space_group_name_H-M", "_space_group{}name_H-M_full", "_space_group{}name_H-M_alt",
)  # fmt: skip
_HALL = ("_symmetry{}space_group_name_Hall", "_space_group{}name_Hall")
_NUMBER = ("_symmetry{}Int_Tables_number", "_space_group{}IT_number")
_OPERATIONS = ("_space_group_symop{}operation_xyz", "_symmetry_equiv{}pos_as_xyz")


def cell_in(gemmi: Any, block: Any, document: Any) -> Any:
    """The unit cell of a block, else of the first block of the document that has one; None where none has."""
    for each in (block, *document):
        for mark in "._":
            values = [gemmi.cif.as_number(each.find_value(f"_cell{mark}{name}") or "?") for name in _CELL]
            if all(value > 0 for value in values):
                return gemmi.UnitCell(*values)
    return None


def space_group_in(gemmi: Any, block: Any, document: Any) -> Any:
    """The space group of a block, else of the first block of the document that names one; None where none does.

    Operations count before names, since a setting may lie in them alone; then symbols, then the number.
    """
    for each in (block, *document):
        for group in _candidates(gemmi, each):
            if group is not None:
                return group
    return None


def _candidates(gemmi: Any, block: Any) -> Iterator[Any]:
    for name in _named(_OPERATIONS):
        operations = [gemmi.cif.as_string(text) for text in block.find_values(name)]
        if operations:
            with suppress(Exception):  # an operation that gemmi cannot read is no reason to ignore the symbol
                yield gemmi.find_spacegroup_by_ops(gemmi.GroupOps([gemmi.Op(text) for text in operations]))
    for names, find in (
        (_HERMANN_MAUGUIN, gemmi.find_spacegroup_by_name),
        (_HALL, lambda symbol: gemmi.find_spacegroup_by_ops(gemmi.symops_from_hall(symbol))),
        (_NUMBER, lambda number: gemmi.find_spacegroup_by_number(int(number))),
    ):
        for name in _named(names):
            text = block.find_value(name)
            if text and not gemmi.cif.is_null(text):
                with suppress(Exception):  # likewise
                    yield find(gemmi.cif.as_string(text))


def _named(patterns: tuple[str, ...]) -> Iterator[str]:
    """The names of both dictionaries: with a dot, and with an underscore."""
    for pattern in patterns:
        yield pattern.format(".")
        yield pattern.format("_")
