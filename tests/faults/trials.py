"""A checkout with a notebook that takes moments, and what must hold in it after any fault."""

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import checkouts
import psutil
from faults.tally import Trial

from nanobrag_torch.workbook.machine import family
from nanobrag_torch.workbook.records.run import EXIT_CODES, Manifest
from nanobrag_torch.workbook.report.folder import verify
from nanobrag_torch.workbook.running.publish import finish_orphans

NOTEBOOK = "notebooks/trial/trial.ipynb"
#: Marks the processes of a checkout apart from the program's own mark.
_VARIABLE = "NANOBRAG_TRIAL"
#: Seconds that processes get to be ended, and after which a folder might have come back.
_LAST_BREATH_S, _PAUSE_S = 5.0, 0.2
_CELLS = (
    "from nanobrag_torch.workbook.report.folder import Report\nreport = Report.attach(report_folder)",
    *(f"report.write_text('part-{part}.txt', '{part}' * 200_000)" for part in range(5)),
)


def checkout(folder: Path, *cells: str) -> Path:
    """A checkout whose trial notebook has these cells, or some that write into the report."""
    checkouts.make_checkout(folder)
    checkouts.write_notebook(folder, *(cells or _CELLS))
    return folder


def start(checkout: Path, *words: str) -> subprocess.Popen[str]:
    """``nanobrag-workbook`` with these words; all that it starts is known by a variable of the tests' own."""
    return checkouts.start(checkout, *words, **{_VARIABLE: str(checkout)})


def said(trial: Trial, process: subprocess.Popen[str], seconds: float = 120) -> str:
    """What a command said on standard error by its end; one that hangs, or shows a traceback, is noted."""
    try:
        _, words = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        trial.found("hang", f"{process.args} for more than {seconds} s")
        process.kill()
        _, words = process.communicate()
    if "Traceback" in words:
        trial.found("traceback", words)
    return words


def run(trial: Trial, checkout: Path, *words: str) -> tuple[int, str]:
    """Exit code of a command that is run to its end, and what it said on standard error."""
    process = start(checkout, *words)
    words_said = said(trial, process)
    return process.returncode, words_said


def working(checkout: Path) -> list[Path]:
    """The folders of runs that have not ended."""
    return sorted(checkout.glob("reports/*/*/.*.running"))


def reports(checkout: Path) -> list[Path]:
    """The finished reports."""
    return sorted(checkout.glob("reports/*/*/2*Z"))


def finish(checkout: Path) -> None:
    """What every later command does first: finish the reports of runs that were killed."""
    for name, outcome in finish_orphans(checkout / "reports", checkout):
        assert outcome.startswith("finished"), f"{name}: {outcome}"


def check(checkout: Path, trial: Trial | None = None) -> list[str]:
    """The status of every report, after the checks that hold whatever happened; a trial notes what does not hold.

    No process of the checkout lives, no folder is half finished, now or after a pause, every report passes its own
    check, and its status is the manifest's.
    """
    found = trial.found if trial else _fail
    for survivor in _survivors(checkout):
        found("survivor", str(survivor))
    time.sleep(_PAUSE_S)
    for folder in working(checkout):
        found("half folder", f"{folder}: {[path.name for path in folder.rglob('*')]}")
    statuses = []
    for report in reports(checkout):
        for problem in verify(report):
            found("half folder", f"{report}: {problem}")
        manifest = Manifest.model_validate_json((report / "manifest.json").read_text())
        assert manifest.status in EXIT_CODES and manifest.verdict.status == manifest.status
        assert (report / "report.html").is_file() and manifest.verdict.title in (report / "summary.md").read_text()
        statuses.append(manifest.status)
    return statuses


def _fail(failing: str, detail: str) -> None:
    raise AssertionError(f"{failing}: {detail}")


def _survivors(checkout: Path) -> list[psutil.Process]:
    """Processes of the checkout that are still there after some seconds."""
    deadline = time.monotonic() + _LAST_BREATH_S
    while (found := workers(checkout)) and time.monotonic() < deadline:
        time.sleep(0.02)
    return found


def workers(checkout: Path) -> list[psutil.Process]:
    """The other processes that were started in the checkout, whatever became of their parents."""
    others = (process for process in psutil.process_iter() if process.pid != os.getpid())
    return [process for process in others if _is_of(process, checkout)]


def kernel_of(runner: int) -> psutil.Process | None:
    """The kernel that a runner started, once it is there."""
    return _child(runner, "ipykernel_launcher")


def warden_of(runner: int) -> psutil.Process | None:
    """The warden of what a runner starts, once it is there."""
    return _child(runner, family.__file__)


def _child(runner: int, word: str) -> psutil.Process | None:
    try:
        children = psutil.Process(runner).children(recursive=True)
        return next((child for child in children if word in child.cmdline()), None)
    except psutil.NoSuchProcess:
        return None


def until(condition: Callable[[], object], seconds: float = 60) -> None:
    """Wait for a condition, and fail where it does not come true."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def _is_of(process: psutil.Process, checkout: Path) -> bool:
    try:
        here = Path(process.cwd()).is_relative_to(checkout) or process.environ().get(_VARIABLE) == str(checkout)
        return here and process.status() != psutil.STATUS_ZOMBIE
    except (psutil.Error, FileNotFoundError):
        return False
