"""The mapped test: pytest as a process of its own, its output copied to a log while it runs."""

import os
import re
import shlex
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from threading import Thread
from typing import IO
from xml.etree import ElementTree

from nanobrag_torch.workbook import project
from nanobrag_torch.workbook.brief import pytest_command
from nanobrag_torch.workbook.errors import Blocked
from nanobrag_torch.workbook.machine.family import family
from nanobrag_torch.workbook.records.evidence import EXIT_CODE, LOG, WITHOUT_TEST, XML, TestRecord, TestStatus
from nanobrag_torch.workbook.records.run import Verdict
from nanobrag_torch.workbook.report.folder import Report
from nanobrag_torch.workbook.show import progress
from nanobrag_torch.workbook.show.progress import Work

#: What pytest's exit codes mean, and whether they say something about the test (docs of pytest, "Exit codes").
EXIT_CODES: dict[int, tuple[TestStatus, str]] = {
    0: ("passed", "the test passed"),
    1: ("failed", "the test ran and failed"),
    2: ("blocked", "pytest stopped before the test: it could not be imported, or was interrupted"),
    3: ("blocked", "pytest itself failed"),
    4: ("blocked", "the test was not found"),
    5: ("blocked", "no test was collected"),
}
_LAST_WORDS_S = 5.0
#: Bytes of a log that are shown in the notebook.
_SHOWN = 1_000_000
#: Part of the tests that is done, as pytest ends a line.
_PERCENT = re.compile(rb"\[ *(\d+)%\]\s*$")
_NO_TEST = TestRecord(
    test="", command="", status="none", exit_code=None, meaning=WITHOUT_TEST, message="", elapsed_s=0.0
)


def run(report: Report, tests: str, options: str, timeout_s: int) -> TestRecord:
    """Run pytest, and leave its log, JUnit XML, exit code and record in a report.

    An interruption (the kernel's button, or Ctrl-C) ends the test alone: the record says so, and nothing is raised.

    Args:
        report: where the files go.
        tests: pytest ids, separated by blanks; without any there is no test, and the record says so.
        options: options for pytest, from the fixed list.
        timeout_s: seconds after which the test is ended.

    Raises:
        Blocked: the outcome says nothing about the test; the files have been written.
        InputError: an option or id is not allowed.
    """
    nodes = node_ids(tests)
    given = pytest_command.check_options(options)
    if not nodes:
        return report.write(_NO_TEST)
    xml = (report.folder / XML).resolve()
    started = time.monotonic()
    code: int | None = None
    status: TestStatus = "interrupted"
    meaning = "the test was interrupted, and says nothing"
    with progress.shown(f"The mapped test, {timeout_s} s at most") as work:
        code, timed_out = run_pytest(["pytest", *given, *map(_place, nodes)], xml, report.folder / LOG, timeout_s, work)
        status, meaning = EXIT_CODES.get(code, ("blocked", f"pytest was ended by signal {-code}"))
        if timed_out:
            status, meaning = "blocked", f"the test took longer than {timeout_s} s and was ended"
    elapsed = time.monotonic() - started
    if code is not None:
        report.write_text(EXIT_CODE, f"{code}\n")
    record = report.write(
        TestRecord(
            test=" ".join(nodes),
            command=shlex.join(["pytest", *given, *nodes]),
            status=status,
            exit_code=code,
            meaning=meaning,
            message=_message(xml),
            elapsed_s=round(elapsed, 3),
        )
    )
    if status == "blocked":
        raise Blocked(f"{record.test}: {meaning}. What pytest wrote is in {LOG}.")
    return record


def said(verdict: Verdict, test: TestRecord) -> Verdict:
    """Verdict whose sentence tells how the mapped test ended, where there was one."""
    if test.status == "none":
        return verdict
    return verdict.model_copy(update={"sentence": f"{verdict.sentence} Mapped test {test.test}: {test.meaning}."})


def node_ids(tests: str) -> list[str]:
    """The pytest ids in a text, separated by blanks. Raises ``InputError`` for a word that is none."""
    return [pytest_command.check_test(node) for node in tests.split()]


def _place(node: str) -> str:
    """A pytest id with the place of its file, where that is not in the project but comes with the package."""
    path, colons, rest = node.partition("::")
    found = project.find(path)
    return node if found.is_relative_to(project.root()) else f"{found}{colons}{rest}"


def run_pytest(words: list[str], xml: Path, log: Path, timeout_s: int, work: Work | None = None) -> tuple[int, bool]:
    """Run pytest in a session of its own, copying its output to a log and to standard output; end all that it leaves.

    Args:
        words: "pytest", its options and ids.
        xml: where the JUnit report goes.
        log: where the output goes.
        timeout_s: seconds after which the process is ended.
        work: shows how far it is.

    Returns:
        Exit code, and True where the process was ended for being late.
    """
    done: list[float | None] = [None]

    def show() -> bool:
        if work is not None:
            work.at(done[0])
        return False

    command = [sys.executable, "-u", "-m", *words, "--color=no", "-p", "no:cacheprovider", f"--junitxml={xml}"]
    # The process is waited for when its family has ended, after an interruption as well; what one that could not be
    # ended still says is not.
    with ExitStack() as afterwards, family(os.environ) as own:
        process = own.start(
            command, cwd=project.root(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        afterwards.callback(process.wait)
        copying = Thread(target=_copy, args=(process.stdout, log, done), daemon=True)
        copying.start()
        afterwards.callback(copying.join, _LAST_WORDS_S)
        late = not own.wait(process, time.monotonic() + timeout_s, show)
    return process.wait(), late


def _copy(stream: IO[bytes], log: Path, done: list[float | None]) -> None:
    """Copy to the log all that comes, and to standard output as much as a page can show; note the part that is done."""
    shown = 0
    with stream, log.open("wb") as copy:
        for line in stream:
            copy.write(line)
            copy.flush()
            if percent := _PERCENT.search(line):
                done[0] = int(percent[1]) / 100
            if shown <= _SHOWN:
                shown += len(line)
                text = line.decode(errors="replace") if shown <= _SHOWN else f"[the rest is in {log.name}]\n"
                sys.stdout.write(text)
                sys.stdout.flush()


def _message(xml: Path) -> str:
    """The first failure or error in a JUnit report; empty where there is none."""
    try:
        tree = ElementTree.parse(xml)
    except (FileNotFoundError, ElementTree.ParseError):
        return ""
    for kind in ("failure", "error"):
        for element in tree.iter(kind):
            return element.get("message", "") or (element.text or "").strip()
    return ""
