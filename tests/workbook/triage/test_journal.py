"""The journal of a suite survives the end of a process in the middle of a line, and says what is left to do."""

import json
import os

import pytest

from nanobrag_torch.workbook.triage import journal


def test_half_a_line_at_the_end_is_left_out_and_the_next_session_begins_a_line(tmp_path):
    path = tmp_path / "events.jsonl"
    path.write_text('{"event": "started", "id": "a", "at": 1.0}\n{"event": "fini')
    found = list(journal.read(path))
    assert journal.open_at_end(found) == {"a": 1.0} and journal.done(found) == set()
    journal.break_off(path, ["a"], end="crashed", meaning="it died", seconds=2.0)
    found = list(journal.read(path))
    assert [event["event"] for event in found] == ["started", "broken off"]
    assert found[-1]["meaning"] == "it died" and journal.open_at_end(found) == {} and journal.done(found) == {"a"}


@pytest.mark.parametrize(
    ("closing", "is_done"),
    [("finished", True), ("uncollected", True), ("broken off", True), ("collected from", False)],
)
def test_what_was_begun_is_closed_by_its_end(closing, is_done):
    events = [{"event": "collecting", "id": "a", "at": 1.0}, {"event": closing, "id": "a"}]
    assert journal.open_at_end(events) == {} and ("a" in journal.done(events)) == is_done


def test_bytes_that_are_no_text_are_visible_escapes_and_can_be_taken_back(tmp_path):
    name = os.fsdecode(b"data_\xff.img")
    path = tmp_path / "events.jsonl"
    path.write_text(json.dumps({"event": "x", "id": [name, {name: 1}], "at": 2}) + "\n")
    (event,) = journal.read(path)
    assert event == {"event": "x", "id": ["data_\\udcff.img", {"data_\\udcff.img": 1}], "at": 2}
    assert journal.raw(event["id"][0]) == name != event["id"][0]
    assert journal.visible("Å 🙂 \\ plain") == journal.raw("Å 🙂 \\ plain") == "Å 🙂 \\ plain"
