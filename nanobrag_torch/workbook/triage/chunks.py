"""One chunk of a suite: pytest in a process of its own, with a time limit, leaving a folder that says how it went."""

import json
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from nanobrag_torch.workbook import files
from nanobrag_torch.workbook.records.triage import FAILING, Chunk, ChunkEnd, ChunkResult, Suite
from nanobrag_torch.workbook.report.folder import Report
from nanobrag_torch.workbook.show.markdown import render_markdown
from nanobrag_torch.workbook.triage import events, journal
from nanobrag_torch.workbook.triage.suite import MOST_RESTARTS, chunk_file, pytest_command, run_pytest

LOG, XML, EXIT_CODE, EVENTS, FILES, SUMMARY = (
    "pytest.log", "pytest.xml", "exit_code.txt", "events.jsonl", "files.json", "summary.md",
)  # fmt: skip
FOLDER = "chunks"
#: Exit code of a pytest that ended by itself (docs of pytest, "Exit codes") -> end of the chunk, and words for it.
_ENDS: dict[int, tuple[ChunkEnd, str]] = {
    0: ("completed", "every test passed"),
    1: ("completed", "some tests failed"),
    2: ("stopped", "pytest was interrupted from within"),
    3: ("stopped", "pytest itself failed"),
    4: ("stopped", "pytest refused its arguments"),
    5: ("completed", "no test was left to run"),
}


@dataclass(frozen=True)
class Session:
    """End of one session of pytest: its kind, the exit code of the process, and the end in words."""

    end: ChunkEnd
    code: int
    meaning: str


def folder_of(report: Path, chunk: Chunk) -> Path:
    """Folder with the files of a chunk in a report."""
    return report / FOLDER / f"{chunk.number:03d}"


def run(chunk: Chunk, suite: Suite, project: Path, folder: Path, stop: Event) -> ChunkResult | None:
    """Run a chunk and leave log, JUnit XML, events, exit code, summary and record in ``folder``.

    Args:
        chunk: files and tests to run.
        suite: the suite, with its time limit and the words for pytest.
        project: folder of the suite, in which pytest starts.
        folder: folder of the results, made where it is missing.
        stop: ends the chunk when it is set.

    Returns:
        The result; None where ``stop`` was set, and then no record is written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in (EVENTS, LOG):
        (folder / name).write_text("")
    files.write(folder / FILES, chunk_file(chunk))
    started = time.monotonic()
    sessions = list(_sessions(suite, project, folder, started + suite.time_limit_s, stop))
    if stop.is_set():
        return None
    decisive = next((session for session in reversed(sessions) if session.end != "completed"), sessions[-1])
    restarts = len(sessions) - 1
    again = f"; the tests after that ran in {restarts} more session{'s' * (restarts > 1)}" if restarts else ""
    result = ChunkResult(
        number=chunk.number,
        end=decisive.end,
        exit_code=decisive.code,
        meaning=decisive.meaning + again,
        elapsed_s=round(time.monotonic() - started, 3),
        command=("pytest", *suite.pytest_arguments),
        tests=events.results(chunk, journal.read(folder / EVENTS)),
    )
    files.write(folder / EXIT_CODE, f"{decisive.code}\n")
    files.write(folder / SUMMARY, summary(chunk, result))
    result.save(folder)
    return result


def _sessions(suite: Suite, project: Path, folder: Path, deadline: float, stop: Event) -> Iterator[Session]:
    """Run sessions of pytest until one comes to its end, each without the tests that ended those before.

    Args:
        suite: the suite.
        project: its folder.
        folder: folder of the results.
        deadline: time of :func:`time.monotonic` at which the chunk is ended.
        stop: ends the chunk when it is set.
    """
    words = pytest_command(suite.pytest_arguments, folder / EVENTS, guard=suite.gradient_guard)
    words += [f"--triage-chunk={folder / FILES}", "--continue-on-collection-errors"]
    seen = 0
    for number in range(1 + MOST_RESTARTS):
        xml = folder / (f"pytest-{number + 1}.xml" if number else XML)
        code, late = run_pytest([*words, f"--junitxml={xml}"], project, folder / LOG, deadline, stop)
        found = list(journal.read(folder / EVENTS))
        end, meaning = _end(code, late, events.ended(found[seen:]), suite.time_limit_s)
        yield Session(end, code, meaning)
        ended_by = journal.open_at_end(found) if end in events.BROKEN_OFF else {}
        for name, begun in ended_by.items():
            journal.break_off(folder / EVENTS, [name], end=end, meaning=meaning, seconds=time.time() - begun)
        seen = len(found) + len(ended_by)
        if not ended_by or late or stop.is_set() or number == MOST_RESTARTS or not _left(folder):
            return
        with (folder / LOG).open("a") as log:
            log.write(f"\n[started again without {', '.join(ended_by)}]\n")


def _left(folder: Path) -> bool:
    """Tell whether something of a chunk is left to do."""
    done = journal.done(journal.read(folder / EVENTS))
    chunk = json.loads((folder / FILES).read_text())
    return not done.issuperset(test for file, tests in chunk.items() if file not in done for test in tests or (file,))


def read(folder: Path) -> ChunkResult | None:
    """Read the result of a chunk; None where it was not run to its end, or cannot be read."""
    return Report(folder).read(ChunkResult)


def summary(chunk: Chunk, result: ChunkResult) -> str:
    """Summary of a chunk in Markdown: its end, its files, and the tests that need somebody to look at them."""
    remarkable = [f"{test.outcome}: {test.id}" for test in result.tests if test.outcome in (*FAILING, "not run")]
    return render_markdown("triage_chunk.md.j2", chunk=chunk, result=result, remarkable=remarkable)


def _end(code: int, late: bool, ended: bool, limit_s: int) -> tuple[ChunkEnd, str]:
    """End of a chunk, and the words for it.

    Args:
        code: exit code of its process.
        late: True where the time limit ended it.
        ended: True where pytest reported its own end.
        limit_s: the time limit, in seconds.
    """
    if late:
        return "timed out", f"it took longer than {limit_s} s and was ended"
    if code < 0:
        return "crashed", f"its process was ended by {signal.Signals(-code).name}"
    if not ended or code not in _ENDS:
        return "crashed", f"its process left with exit code {code} before pytest was done"
    return _ENDS[code]
