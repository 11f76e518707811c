"""States that were explored: undone, redone, reset."""

from nanobrag_torch.workbook.explorer.history import History, State

START = State({"a": 1.0, "b": 2.0}, ("a",))


def test_undo_and_redo_walk_over_the_states_and_a_new_move_ends_what_was_undone():
    history = History(START)
    history.move("a", 1.5, time=0)
    history.move("b", 2.5, time=0.1)
    assert history.undo() and history.now.values == {"a": 1.5, "b": 2.0}
    assert history.undo() and history.now == START
    assert not history.undo()
    assert history.redo() and history.now.values == {"a": 1.5, "b": 2.0}
    history.move("a", 9.0, time=10)
    assert not history.redo()
    assert history.undo() and history.now.values["a"] == 1.5


def test_a_slider_that_is_dragged_is_one_step():
    history = History(START)
    for i in range(10):
        history.move("a", 1 + 0.1 * i, time=0.2 * i)
    history.move("a", 5.0, time=60)
    assert history.undo() and history.now.values["a"] == 1.9
    assert history.undo() and history.now == START


def test_a_tick_keeps_the_order_of_the_controls_and_can_be_undone():
    history = History(START)
    history.tick("b", True)
    history.tick("a", False)
    history.tick("a", True)
    assert history.now.free == ("a", "b")
    history.undo()
    assert history.now.free == ("b",)
    history.go(history.now)
    assert history.redo(), "the present state is no step of its own"
