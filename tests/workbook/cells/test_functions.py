"""Functions and values that a notebook parameter names in text."""

import pytest
import torch

from nanobrag_torch.workbook.cells.functions import function, loss_of, values
from nanobrag_torch.workbook.cells.losses import sum_of_squares
from nanobrag_torch.workbook.errors import InputError


def test_a_function_is_found_by_module_and_by_file(tmp_path):
    (tmp_path / "mine.py").write_text("def loss(p):\n    return 3 * p['x']\n")
    assert function(f"{tmp_path / 'mine.py'}:loss")({"x": 2}) == 6
    assert function("nanobrag_torch.workbook.cells.losses:weighted_sum").__name__ == "weighted_sum"


@pytest.mark.parametrize("name", ["spot", "no.such.module:loss", "math:nothing", "math:pi", "nothing.py:loss"])
def test_a_function_that_is_not_there_is_refused(name):
    with pytest.raises(
        InputError, match=r"doctor, model: got .*allowed: package\.module:function or file\.py:function"
    ):
        function(name)


def test_values_are_read_as_tensors():
    found = values("x=1.5, y = -2e3")
    assert {name: float(value) for name, value in found.items()} == {"x": 1.5, "y": -2000}
    assert found["x"].dtype is torch.float64


@pytest.mark.parametrize("text", ["", "x", "x=", "x=big", "1=2", "x=1,,y=2"])
def test_values_that_are_no_numbers_are_refused(text):
    with pytest.raises(InputError, match=r"doctor, values: got .*allowed: name=number"):
        values(text)


def test_a_function_that_gives_one_number_gives_the_loss_itself():
    at = values("x=2")
    assert loss_of(lambda p: p["x"] ** 2, at, "sum_of_squares") is None
    assert loss_of(lambda p: p["x"] * torch.ones(3), at, "sum_of_squares") is sum_of_squares
    assert loss_of(lambda p: p["x"] * torch.ones(3), at, "none") is None
    assert loss_of(lambda p: p["y"], at, "sum_of_squares") is sum_of_squares
