"""Two sweeps side by side: points joined by the parameters that both vary, whatever their order."""

import pytest

from nanobrag_torch.workbook.errors import InputError
from nanobrag_torch.workbook.records.sweep import Block, Point, Specification
from nanobrag_torch.workbook.sweeps import compare, store


def sweep_in(folder, values, found, name="crystal.cell_a"):
    folder.mkdir()
    block = Block(names=(name,), units=("Å",), rows=tuple((value,) for value in values))
    Specification(name="s", target="s.json", kind="scenario", grain="record", blocks=(block,)).save(folder)
    for number, columns in enumerate(found):
        store.write(folder, Point(number=number, status="done", columns=columns, seconds=number))
    return folder


def test_the_same_points_in_another_order_do_not_differ(tmp_path):
    rows = [{"loss": 1.0, "verdict.code": "healthy"}, {"loss": float("nan"), "verdict.code": "Z1"}]
    one = sweep_in(tmp_path / "a", (60.0, 61.0), rows)
    other = sweep_in(tmp_path / "b", (61.0, 60.0), rows[::-1])
    lines = {line.name: line for line in compare.columns(one, other)}
    assert set(lines) == {"status", "loss", "verdict.code"}
    assert not any(line.differing for line in lines.values())


def test_a_difference_is_counted_and_its_largest_is_shown_with_its_parameters(tmp_path):
    one = sweep_in(tmp_path / "a", (60.0, 61.0, 62.0), [{"loss": 1.0}, {"loss": 2.0}, {"loss": 0.0}])
    other = sweep_in(tmp_path / "b", (60.0, 61.0, 63.0), [{"loss": 1.0 + 1e-6}, {"loss": 4.0}, {"loss": 0.0}])
    lines = {line.name: line for line in compare.columns(one, other)}
    assert (lines["loss"].points, lines["loss"].differing, lines["loss"].relative) == (2, 2, 0.5)
    assert lines["loss"].where == "crystal.cell_a = 61.0: 2.0 | 4.0"
    assert lines["points"].where == "1 in A alone, 1 in B alone" and lines["points"].differing == 2


def test_sweeps_that_vary_nothing_in_common_cannot_be_compared(tmp_path):
    one = sweep_in(tmp_path / "a", (60.0,), [{"loss": 1.0}])
    other = sweep_in(tmp_path / "b", (60.0,), [{"loss": 1.0}], name="crystal.cell_b")
    with pytest.raises(InputError, match=r"crystal\.cell_a and crystal\.cell_b"):
        compare.columns(one, other)
