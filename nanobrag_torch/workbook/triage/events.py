"""Events that the plugin wrote, made into one result for each test."""

from collections.abc import Iterable
from typing import Any

from nanobrag_torch.workbook.records.triage import Chunk, Failure, GuardFinding, TestOutcome, TestResult

#: Categories that pytest gives to the stages of a test, the one that decides first; others (a rerun) are no end.
_CATEGORIES: tuple[TestOutcome, ...] = ("failed", "error", "xpassed", "xfailed", "skipped", "passed")
#: End of a session -> outcome of the test that was running at that moment, and the name of its failure.
BROKEN_OFF: dict[str, tuple[TestOutcome, str]] = {
    "timed out": ("timed out", "TimeLimit"),
    "crashed": ("crashed", "Crash"),
    "stopped": ("crashed", "Stopped"),
}


def ended(events: Iterable[dict[str, Any]]) -> bool:
    """Tell whether pytest came to its own end."""
    return any(event["event"] == "ended" for event in events)


def results(chunk: Chunk, events: Iterable[dict[str, Any]]) -> tuple[TestResult, ...]:
    """Make one result for every test of the chunk, and for every file of it that could not be collected.

    Args:
        chunk: the chunk.
        events: events of its sessions, in order.
    """
    stages: dict[str, list[dict[str, Any]]] = {}
    broken_off: dict[str, dict[str, Any]] = {}
    for event in events:
        match event["event"]:
            case "started":
                stages[event["id"]] = []
            case "stage":
                stages.setdefault(event["id"], []).append(event)
            case "broken off":
                stages.setdefault(event["id"], [])
                broken_off[event["id"]] = event
            case "uncollected":
                stages[event["id"]] = [{"category": "error", "seconds": 0.0, "failure": event["failure"], "guard": []}]
    planned = {test for tests in chunk.files.values() for test in tests}
    return tuple(
        _broken_off(broken_off[test]) if test in broken_off else _result(test, stages[test]) for test in stages
    ) + tuple(TestResult(id=test, outcome="not run", seconds=0.0) for test in sorted(planned - stages.keys()))


def _result(test: str, stages: list[dict[str, Any]]) -> TestResult:
    categories = {stage["category"] for stage in stages}
    failure = next((stage["failure"] for stage in stages if stage["failure"]), None)
    return TestResult(
        id=test,
        outcome=next((outcome for outcome in _CATEGORIES if outcome in categories), "not run"),
        seconds=round(sum(stage["seconds"] for stage in stages), 4),
        failure=Failure.model_validate(failure) if failure else None,
        guard=tuple(GuardFinding.model_validate(finding) for stage in stages for finding in stage["guard"]),
    )


def _broken_off(event: dict[str, Any]) -> TestResult:
    """Result of the test that was running, or the file that was being collected, when its session ended."""
    outcome, name = BROKEN_OFF[event["end"]]
    failure = Failure(exception=name, message=event["meaning"])
    return TestResult(id=event["id"], outcome=outcome, seconds=round(event["seconds"], 4), failure=failure)
