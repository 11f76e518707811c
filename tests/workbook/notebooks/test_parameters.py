from pathlib import Path
from typing import Any

import pytest
from checkouts import NOTEBOOK, make_checkout, write_notebook

from nanobrag_torch.workbook.errors import InputError
from nanobrag_torch.workbook.notebooks import parameters
from nanobrag_torch.workbook.notebooks.parameters import Parameter

DECLARED = parameters.declared(NOTEBOOK)


def given(*pairs: tuple[str, str], brief: dict[str, Any] | None = None) -> dict[str, tuple[Any, Any]]:
    return parameters.resolve(DECLARED, NOTEBOOK.name, brief or {}, pairs)


def test_the_notebook_declares_type_unit_and_range() -> None:
    assert DECLARED["cell_a"] == Parameter("cell_a", float, 100.0, "Å", 1.0, 10000.0, (), "edge a of the unit cell")
    assert DECLARED["dtype"].choices == ("float64", "float32")
    assert DECLARED["N_cells"].length == 3 and DECLARED["N_cells"].kind is int


def test_every_number_of_the_notebook_has_a_range() -> None:
    ranged = [p for p in DECLARED.values() if p.kind in (int, float)]
    assert len(ranged) > 10
    assert [p.name for p in ranged if p.low == -parameters.LARGEST or p.high == parameters.LARGEST] == []


def test_the_command_line_goes_before_the_brief_and_the_brief_before_the_notebook() -> None:
    resolved = given(("cell_a", "70.5"), brief={"cell_a": 80.0, "cell_b": 81})
    assert resolved["cell_a"] == (70.5, "command line")
    assert resolved["cell_b"] == (81.0, "brief")
    assert resolved["cell_c"] == (100.0, "notebook")


@pytest.mark.parametrize("text", ["3,4,5", "3 4 5", "[3, 4, 5]", "(3,4,5)"])
def test_a_list_is_written_with_commas_or_blanks(text: str) -> None:
    assert given(("N_cells", text))["N_cells"][0] == [3, 4, 5]


@pytest.mark.parametrize(
    ("name", "nearest"), [("cel_a", "cell_a"), ("Ncells", "N_cells"), ("detector_pixel", "detector_pixels")]
)
def test_an_unknown_name_is_answered_with_the_nearest(name: str, nearest: str) -> None:
    with pytest.raises(InputError, match=f"The nearest is '{nearest}'"):
        given((name, "1"))


@pytest.mark.parametrize(
    ("name", "text", "allowed"),
    [
        ("cell_a", "0.5", "a number from 1 to 10000 Å"),
        ("cell_a", "1e999", "a number from 1 to 10000 Å"),
        ("cell_a", "nan", "a number from 1 to 10000 Å"),
        ("cell_a", "wide", "a number from 1 to 10000 Å"),
        ("detector_pixels", "64.0", "an integer from 8 to 8192 pixels"),
        ("detector_pixels", "9" * 400, "an integer from 8 to 8192 pixels"),
        ("N_cells", "3,4", "3 values, each an integer from 1 to 1000 cells"),
        ("dtype", "float16", "float64 or float32"),
    ],
)
def test_a_wrong_type_or_a_value_out_of_range_says_what_is_allowed(name: str, text: str, allowed: str) -> None:
    with pytest.raises(InputError, match=name) as error:
        given((name, text))
    assert allowed in str(error.value)


@pytest.mark.parametrize("value", [True, "100", None, 10**400, [100.0]])
def test_a_value_of_a_brief_is_checked_like_one_that_is_typed(value: Any) -> None:
    with pytest.raises(InputError, match="brief, cell_a"):
        given(brief={"cell_a": value})


def test_a_name_given_twice_is_refused() -> None:
    with pytest.raises(InputError, match="It was given twice"):
        given(("cell_a", "1"), ("cell_a", "2"))


def test_a_truth_value_is_written_as_true_or_false() -> None:
    flag = Parameter("flag", bool, False, "", -1, 1, (), "a switch")
    assert flag.parse("True", "test") is True and flag.parse("false", "test") is False
    with pytest.raises(InputError, match="true or false"):
        flag.parse("1", "test")


@pytest.mark.parametrize(
    "line",
    [
        "x = 3",
        "x: float = 3.0",
        "x: complex = 3  # [m] 1 .. 4: x",
        "x: float = f()  # a",
        "x: float = 3.0  # [m] 1 .. 4: x\nx: float = 2.0  # [m] 1 .. 4: x",
        "x: float  # [m] 1 .. 4: x",
        "def x(): return 3",
        "x: float = 3.0  # [m] 1 .. 4: x\n\x00",
        "x: float = (",
    ],
)
def test_a_declaration_of_another_form_is_refused(tmp_path: Path, line: str) -> None:
    notebook = write_notebook(make_checkout(tmp_path), parameters=line)
    with pytest.raises(InputError, match="parameters cell"):
        parameters.declared(notebook)


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ('kind: Literal["a", "b"] = "a"  # which', "kind: str = ...  # {a | b}: what it is"),
        ('kind: typing.Literal["a"] = "a"  # which', "kind: str = ...  # {a}: what it is"),
        ("a: int = 1; b: int = 2  # 1 .. 2: two at once", "give each a line of its own"),
        ("x: Optional[float] = 1.0  # x", "Types: float, int, bool, str, and list[...] of them"),
        ("x = 3  # 1 .. 4: x", "It has no type"),
        ("x: float = 2 ** 3  # 1 .. 9: x", "must be written out"),
        ("x: float = 2.0", "Say behind '#' what it is"),
    ],
)
def test_the_remedy_of_a_declaration_says_what_to_write(line: str, hint: str) -> None:
    with pytest.raises(InputError) as error:
        parameters.of_cell(line, "trial.ipynb")
    assert hint in str(error.value) and "papermill" not in str(error.value)


def test_a_declaration_is_read_as_python_reads_it() -> None:
    cell = """\"\"\"What this looks at.\"\"\"
%matplotlib inline
import math
# a remark
where: str = "a = 1, b: 2 # c"  # texts: with = and # within
sizes: list[int] = [
    3,
    4,
]  # [cells] 1 .. 9: where y = 0
shift: float = -1e-3  # [m] -1 .. 1: to the left"""
    found = parameters.of_cell(cell, "trial.ipynb")
    assert {name: each.default for name, each in found.items()} == {
        "where": "a = 1, b: 2 # c", "sizes": [3, 4], "shift": -1e-3,
    }  # fmt: skip
    assert found["sizes"].length == 2 and found["sizes"].help == "where y = 0" and found["shift"].low == -1


def test_a_default_out_of_its_own_range_is_refused(tmp_path: Path) -> None:
    notebook = write_notebook(make_checkout(tmp_path), parameters="x: float = 9.0  # [m] 1 .. 4: too large")
    with pytest.raises(InputError, match="x: got 9"):
        parameters.declared(notebook)


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"cells": 3}', "\x00"])
def test_a_file_that_is_no_notebook_is_refused_in_one_line(tmp_path: Path, content: str) -> None:
    file = tmp_path / "broken {name}.ipynb"
    file.write_text(content)
    with pytest.raises(InputError) as error:
        parameters.declared(file)
    assert "\n" not in str(error.value)
