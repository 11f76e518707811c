"""Events of the plugin become one result for each test, however its process ended."""

from nanobrag_torch.workbook.records.triage import Chunk
from nanobrag_torch.workbook.triage import journal
from nanobrag_torch.workbook.triage.events import results

CHUNK = Chunk(number=1, files={"test_a.py": ("test_a.py::one", "test_a.py::two", "test_a.py::three")})


def stage(test, category, seconds=0.5, failure=None, guard=()):
    return {"event": "stage", "id": test, "category": category, "seconds": seconds, "failure": failure, "guard": guard}


def lines(test, *stages):
    return [{"event": "started", "id": test, "at": 100.0}, *stages, {"event": "finished", "id": test}]


def test_the_stages_of_a_test_are_added_up_and_the_worst_decides():
    failure = {"exception": "ValueError", "message": "lost", "frame": None}
    events = lines(
        "test_a.py::one", stage("test_a.py::one", ""), stage("test_a.py::one", "passed", 2.0),
        stage("test_a.py::one", "error", failure=failure),
    )  # fmt: skip
    one = results(CHUNK, events)[0]
    assert (one.outcome, one.seconds) == ("error", 3.0)
    assert one.failure is not None and one.failure.exception == "ValueError"


def test_the_test_that_was_running_is_blamed_and_the_others_were_not_run():
    events = [
        *lines("test_a.py::one", stage("test_a.py::one", "passed")),
        {"event": "started", "id": "test_a.py::two", "at": 103.0},
    ]
    assert journal.open_at_end(events) == {"test_a.py::two": 103.0}
    how = {"end": "timed out", "meaning": "it took too long", "seconds": 7.0}
    events.append({"event": "broken off", "id": "test_a.py::two", **how})
    found = {test.id: test for test in results(CHUNK, events)}
    assert {name: test.outcome for name, test in found.items()} == {
        "test_a.py::one": "passed", "test_a.py::two": "timed out", "test_a.py::three": "not run",
    }  # fmt: skip
    blamed = found["test_a.py::two"]
    assert blamed.seconds == 7.0 and blamed.failure is not None and blamed.failure.message == "it took too long"
