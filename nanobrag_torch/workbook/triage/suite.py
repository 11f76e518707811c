"""Tests of a suite: collected by pytest, and divided into chunks that take about as long as each other."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from threading import Event

from nanobrag_torch.workbook.errors import Blocked, InputError
from nanobrag_torch.workbook.machine import environment
from nanobrag_torch.workbook.machine.family import family
from nanobrag_torch.workbook.records.triage import Chunk, ChunkResult
from nanobrag_torch.workbook.triage import journal

_PLUGIN = "nanobrag_torch.workbook.triage.plugin"
_GUARD = "nanobrag_torch.doctor.pytest_plugin"
_LAST_LINES = 5
#: Times that pytest is started again without the test, or the file, that ended it.
MOST_RESTARTS = 20
#: Exit codes of a pytest that only collects: 2 is a file that cannot be collected, which is a finding.
_COLLECTED = (0, 2)
_USAGE, _NOTHING = 4, 5


def pytest_command(arguments: Iterable[str], events: Path, *, guard: bool = False) -> list[str]:
    """Command line that runs pytest with ``arguments`` and leaves its events in the file ``events``."""
    plugins = ["-p", _PLUGIN, *(["-p", _GUARD] if guard else [])]
    arguments = map(journal.raw, arguments)
    recording = [f"--triage-events={events}", "-p", "no:cacheprovider"]
    return [sys.executable, "-m", "pytest", *plugins, *arguments, *recording]


def run_pytest(words: list[str], project: Path, log: Path, deadline: float, stop: Event) -> tuple[int, bool]:
    """Run a process until it ends, is late, or is to stop, and end all that it leaves.

    Args:
        words: command line.
        project: folder in which it starts.
        log: file to which its output is appended.
        deadline: time of :func:`time.monotonic` at which it is ended.
        stop: ends it when it is set.

    Returns:
        The exit code, negative for a signal, and True where the deadline came first.
    """
    with log.open("ab") as stream, family(environment.of_tests()) as own:
        process = own.start(words, cwd=project, stdin=subprocess.DEVNULL, stdout=stream, stderr=subprocess.STDOUT)
        late = not own.wait(process, deadline, stop.is_set)
    return process.wait(), late


def collect(project: Path, arguments: tuple[str, ...], time_limit_s: int) -> dict[str, tuple[str, ...]]:
    """Collect the tests of a suite.

    Returns:
        File -> pytest ids, in pytest's order; a file that cannot be collected has none, nor one that ends pytest.

    Raises:
        InputError: pytest refuses the arguments, or they select no test.
        Blocked: pytest does not come to an end within ``time_limit_s`` seconds, or cannot collect.
    """
    with tempfile.TemporaryDirectory() as scratch:
        events = Path(scratch) / "events.jsonl"
        events.touch()
        command = [*pytest_command(arguments, events), "--collect-only", "-q"]
        log = Path(scratch) / "pytest.log"
        deadline = time.monotonic() + time_limit_s
        for _ in range(1 + MOST_RESTARTS):
            code, late = run_pytest(command, project, log, deadline, Event())
            found = list(journal.read(events))
            if late:
                raise Blocked(
                    f"pytest was still collecting after {time_limit_s} s and was ended. Give it more time "
                    "(--time-limit), or fewer files."
                )
            ended_by = journal.open_at_end(found)
            if not ended_by:
                break
            journal.break_off(events, ended_by)
        said = log.read_text(errors="replace")
    if code == _USAGE:
        raise _refused(arguments, "arguments that pytest understands", said)
    files: dict[str, list[str]] = {}
    for event in found:
        if event["event"] in ("collected", "uncollected", "broken off"):
            ids = files.setdefault(event["id"].split("::", maxsplit=1)[0], [])
            ids += [event["id"]] if event["event"] == "collected" else []
    if not files and code in (*_COLLECTED, _NOTHING):
        raise _refused(arguments, "arguments that select at least one test", said)
    if code not in (*_COLLECTED, _NOTHING):
        raise Blocked(f"pytest could not collect the suite (exit code {code}): {_tail(said)}")
    return {file: tuple(ids) for file, ids in files.items()}


def divide(
    files: Mapping[str, tuple[str, ...]], number: int, seconds: Mapping[str, float] | None = None
) -> tuple[Chunk, ...]:
    """Divide a suite into at most ``number`` chunks, the heaviest file first and each into the lightest chunk.

    A file weighs what it took in an earlier run (``seconds``); one that is not known there weighs as many tests as
    it has, at the mean time of a known test.
    """
    known = {file: (seconds or {})[file] for file in files if file in (seconds or {})}
    tests = sum(max(1, len(files[file])) for file in known)
    each = sum(known.values()) / tests if tests else 1.0
    weights = {file: known.get(file, each * max(1, len(ids))) for file, ids in files.items()}
    chunks: list[dict[str, tuple[str, ...]]] = [{} for _ in range(min(number, len(files)))]
    for file in sorted(files, key=lambda file: (-weights[file], file)):
        lightest = min(chunks, key=lambda chunk: (sum(weights[name] for name in chunk), len(chunk)))
        lightest[file] = files[file]
    return tuple(
        Chunk(
            number=position,
            files=chunk,
            expected_s=sum(known[f] for f in chunk) if chunk.keys() <= known.keys() else None,
        )
        for position, chunk in enumerate(chunks, start=1)
    )


def seconds_by_file(results: Iterable[ChunkResult]) -> dict[str, float]:
    """Seconds that each file took, without files that were not run to their end."""
    tests = [test for result in results for test in result.tests]
    unfinished = {_file(test.id) for test in tests if test.outcome in ("timed out", "crashed", "not run")}
    seconds: dict[str, float] = {}
    for test in tests:
        if _file(test.id) not in unfinished:
            seconds[_file(test.id)] = seconds.get(_file(test.id), 0.0) + test.seconds
    return seconds


def chunk_file(chunk: Chunk) -> str:
    """JSON of a chunk, as the plugin reads it."""
    return json.dumps(chunk.files, indent=2)


def from_root(project: Path, root: Path) -> str:
    """Folder of a suite as its record names it: the path from the root of the project."""
    return Path(os.path.relpath(project, root)).as_posix()


def _file(test: str) -> str:
    return test.split("::", maxsplit=1)[0]


def _refused(arguments: tuple[str, ...], allowed: str, said: str) -> InputError:
    return InputError.of("triage", "pytest arguments", " ".join(arguments), allowed, f"pytest says: {_tail(said)}")


def _tail(text: str) -> str:
    return " / ".join([line for line in text.splitlines() if line.strip()][-_LAST_LINES:])
