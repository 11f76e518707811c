"""What varies, as it is written: ranges, lists and tables become values, and everything else an error with a remedy."""

import itertools
import math

import pytest

from nanobrag_torch.workbook.errors import InputError
from nanobrag_torch.workbook.sweeps import values


def test_a_range_has_its_stop_where_that_falls_on_the_grid():
    assert values.listed("a", "60:120:20") == [60.0, 80.0, 100.0, 120.0]
    assert values.listed("a", "60:110:20") == [60.0, 80.0, 100.0]
    assert values.listed("a", "3:1:-1") == [3.0, 2.0, 1.0]
    assert values.listed("a", "5:5:1") == [5.0]


def test_a_range_of_decimals_has_the_numbers_that_a_person_would_write():
    assert values.listed("a", "0:1:0.1") == [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]
    assert values.listed("a", "1e-3:3e-3:1e-3") == [0.001, 0.002, 0.003]


def test_a_logarithmic_range_has_both_ends_and_equal_ratios():
    found = values.listed("a", "1e24:1e28:log9")
    assert found[0] == 1e24 and found[-1] == 1e28 and found[2] == 1e25 and len(found) == 9
    assert [math.log10(b / a) for a, b in itertools.pairwise(found)] == pytest.approx([0.5] * 8, rel=1e-12)


def test_a_list_has_its_words():
    assert values.listed("shape", "square, gauss") == ["square", "gauss"]
    assert values.listed("N", "5 5 5,10 10 10") == ["5 5 5", "10 10 10"]


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("1:2:0", "never ends"),
        ("1:2:-1", "is empty"),
        ("2:1:1", "is empty"),
        ("1:2", "for --sample"),
        ("1:x:1", "'x' is no number"),
        ("1:nan:1", "finite numbers"),
        ("1:inf:1", "finite numbers"),
        ("1:1e999:log3", "finite numbers"),
        ("1:1e999999:1e-999999", "finite numbers"),
        ("0:1:1e-9", "Take larger steps"),
        ("0:10:log5", "above 0"),
        ("1:10:log1", "from 2 to"),
        ("1:10:log", "from 2 to"),
        ("1:2:3:4", "start:stop:step"),
        ("a,,b", "empty entry"),
    ],
)
def test_a_range_that_is_none_is_refused_with_what_is_allowed(spec, said):
    with pytest.raises(InputError, match=said) as raised:
        values.listed("crystal.cell_a", spec)
    assert "--over crystal.cell_a" in str(raised.value) and repr(spec) in str(raised.value)


@pytest.mark.parametrize("text", ["crystal.cell_a", "=1,2", "a=", ""])
def test_what_varies_has_a_name_and_values(text):
    with pytest.raises(InputError, match="NAME=SPEC"):
        values.split(text)


@pytest.mark.parametrize("spec", ["1,2", "2:1", "0:1:log", "1:2:3", "1:1"])
def test_values_are_drawn_between_two_bounds(spec):
    assert values.drawn("a", "1:10:log") == values.Range(1.0, 10.0, True)
    with pytest.raises(InputError, match=r"bound|low:high"):
        values.drawn("a", spec)


def test_a_table_has_names_and_a_row_for_each_point(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("crystal.cell_a, loss\n60.5, sum\n70, weighted_sum\n")
    found = values.table(f"@{path}")
    assert found.columns == ("crystal.cell_a", "loss")
    assert found.rows == ((60.5, "sum"), (70.0, "weighted_sum"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a,b\n1,2\n3,\n", "line 3 has a gap"),
        ("a,b\n1,nan\n", "line 2 has a gap"),
        ("a,b\n1,2\n3,4\n1,2\n", "Line 4 stands there before"),
        ("a,b\n", "it has no row"),
        ("", "comma-separated values"),
        ("a,b\n1,2,3,4\n5\n", "comma-separated values|gap"),
        ("a;b\n1;2\n1;2,5\n", r"Expected 1 fields in line 3, saw 2\.$"),
    ],
)
def test_a_table_with_gaps_or_a_row_twice_is_refused_with_its_line(tmp_path, text, said):
    path = tmp_path / "table.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=said):
        values.table(f"@{path}")
    with pytest.raises(InputError, match=r"nowhere\.csv"):
        values.table("@nowhere.csv")


@pytest.mark.parametrize("rows", ["60,1,5\n70,2,6\n", "60,1,1\n", "1,60,1,1\n2,70,1,1\n"])
def test_a_table_with_more_values_than_names_is_refused_and_no_column_moves(tmp_path, rows):
    path = tmp_path / "table.csv"
    path.write_text(f"crystal.cell_a,beam.wavelength_A\n{rows}")
    with pytest.raises(InputError, match="a name for every column"):
        values.table(f"@{path}")
