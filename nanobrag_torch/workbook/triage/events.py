"""Events that the plugin wrote, made into one result for each test."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from nanobrag_torch.workbook.records.triage import Chunk, Failure, GuardFinding, TestOutcome, TestResult

#: Categories that pytest gives to the stages of a test, the one that decides first; others (a rerun) are no end.
_CATEGORIES: tuple[TestOutcome, ...] = ("failed", "error", "xpassed", "xfailed", "skipped", "passed")
#: End of the chunk -> outcome of the test that was running at that moment, and the name of its failure.
_BROKEN_OFF: dict[str, tuple[TestOutcome, str]] = {
    "timed out": ("timed out", "TimeLimit"),
    "crashed": ("crashed", "Crash"),
    "stopped": ("crashed", "Stopped"),
}


def read_events(path: Path) -> Iterator[dict[str, Any]]:
    """Read the events in a file; the last line of a process that was killed may be half a line, and is left out."""
    with path.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if line.endswith("\n"):
                yield json.loads(line)


def ended(events: Iterable[dict[str, Any]]) -> bool:
    """Tell whether pytest came to its own end."""
    return any(event["event"] == "ended" for event in events)


def results(
    chunk: Chunk, events: Iterable[dict[str, Any]], end: str, meaning: str, ended_at: float
) -> tuple[TestResult, ...]:
    """Make one result for every test of the chunk, and for every file of it that could not be collected.

    Args:
        chunk: the chunk.
        events: events of its process, in order.
        end: end of the chunk.
        meaning: the end in words, for the test that was running at that moment.
        ended_at: time of the end, in seconds since 1970.
    """
    stages: dict[str, list[dict[str, Any]]] = {}
    unfinished: dict[str, float] = {}
    for event in events:
        match event["event"]:
            case "started":
                stages[event["id"]] = []
                unfinished[event["id"]] = event["at"]
            case "stage":
                stages.setdefault(event["id"], []).append(event)
            case "finished":
                unfinished.pop(event["id"], None)
            case "uncollected":
                stages[event["id"]] = [{"category": "error", "seconds": 0.0, "failure": event["failure"], "guard": []}]
    planned = {test for tests in chunk.files.values() for test in tests}
    return tuple(
        _broken_off(test, end, meaning, ended_at - unfinished[test])
        if test in unfinished
        else _result(test, stages[test])
        for test in stages
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


def _broken_off(test: str, end: str, meaning: str, seconds: float) -> TestResult:
    """Result of the test that was running when its process ended.

    Args:
        test: pytest id.
        end: end of the chunk.
        meaning: the end in words.
        seconds: time that the test had taken by then.
    """
    outcome, name = _BROKEN_OFF.get(end, ("not run", ""))
    failure = Failure(exception=name, message=meaning) if name else None
    return TestResult(id=test, outcome=outcome, seconds=round(seconds, 4), failure=failure)
