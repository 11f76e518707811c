"""A state that outlives its kernel: written, read back, and refused where it is another's."""

import pytest
from explored import small

from nanobrag_torch.workbook import explore
from nanobrag_torch.workbook.explorer.history import State
from nanobrag_torch.workbook.explorer.kept import keep, kept

START = State({"a": 1.0, "b": 2.0}, ("a",))


def test_a_state_comes_back_with_every_digit_and_tick(tmp_path):
    moved = State({"a": 0.1 + 0.2, "b": -1e-300}, ("a", "b"))
    keep(tmp_path / "state.json", moved)
    assert kept(tmp_path / "state.json", START) == moved


@pytest.mark.parametrize(
    "content",
    [
        "", "[1]", "{}", '{"values": {"a": 1}, "free": []}', '{"values": {"a": 1, "b": "x"}, "free": []}',
        '{"values": {"a": 1, "b": 2}, "free": ["c"]}', '{"values": 3, "free": []}',
        '{"values": {"a": 1, "b": 2}, "free": [["a"]]}', '{"values": {"a": NaN, "b": 2}, "free": []}',
        '{"values": {"a": 1e999, "b": 2}, "free": []}', f'{{"values": {{"a": 1{"0" * 400}, "b": 2}}, "free": []}}',
        "[" * 100_000,
    ],
)  # fmt: skip
def test_what_is_no_state_of_these_controls_is_none(tmp_path, content):
    (tmp_path / "state.json").write_text(content)
    assert kept(tmp_path / "state.json", START) is None
    assert kept(tmp_path / "no.json", START) is None


def test_ticks_come_back_once_each_and_in_the_order_of_the_controls(tmp_path):
    (tmp_path / "state.json").write_text('{"values": {"a": 1, "b": 2}, "free": ["b", "a", "b"]}')
    assert kept(tmp_path / "state.json", START) == State(START.values, ("a", "b"))


@pytest.mark.parametrize("content", ['{"crystal": {"cell_a": 70}}', "[1]", "notes of mine", "3"])
def test_a_file_of_something_else_is_not_replaced(tmp_path, content):
    (tmp_path / "scenario.json").write_text(content)
    with pytest.raises(ValueError, match="holds no state, and would be replaced"):
        explore(small("crystal.cell_a"), keep=tmp_path / "scenario.json")
    assert (tmp_path / "scenario.json").read_text() == content


def test_an_explorer_goes_on_where_another_with_the_same_file_ended(tmp_path):
    scenario, file = small("crystal.cell_a", "beam.fluence"), tmp_path / "state.json"
    first = explore(scenario, keep=file)
    first.rows["crystal.cell_a"].slider.value = 70.5
    first.rows["beam.fluence"].tick.value = False
    first.first(60)
    first.close()
    second = explore(scenario, keep=file)
    second.first(60)
    assert second.rows["crystal.cell_a"].slider.value == 70.5 and not second.rows["beam.fluence"].tick.value
    second.buttons["Reset"].click()
    second.first(60)
    assert second.rows["crystal.cell_a"].slider.value == 70 and second.rows["beam.fluence"].tick.value
    second.close()


def test_a_file_in_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ValueError, match="a folder that exists"):
        explore(small("crystal.cell_a"), keep=tmp_path / "no" / "state.json")
