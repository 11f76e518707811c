"""A checkout with a notebook that takes moments, and what must hold in it after any fault."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import checkouts
import psutil

from nanobrag_torch.workbook.records.run import EXIT_CODES, Manifest
from nanobrag_torch.workbook.report.folder import verify
from nanobrag_torch.workbook.running.publish import finish_orphans

NOTEBOOK = "notebooks/trial/trial.ipynb"
_CELLS = (
    "from nanobrag_torch.workbook.report.folder import Report\nreport = Report.attach(report_folder)",
    *(f"report.write_text('part-{part}.txt', '{part}' * 200_000)" for part in range(5)),
)


def checkout(folder: Path, *cells: str) -> Path:
    """A checkout whose trial notebook has these cells, or some that write into the report."""
    checkouts.make_checkout(folder)
    checkouts.write_notebook(folder, *(cells or _CELLS))
    return folder


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


def check(checkout: Path) -> list[str]:
    """The status of every report, after the checks that hold whatever happened.

    No folder is half finished, every report passes its own check, its status is the manifest's, and no process works
    in the checkout any more.
    """
    assert working(checkout) == []
    statuses = []
    for report in reports(checkout):
        assert verify(report) == []
        manifest = Manifest.model_validate_json((report / "manifest.json").read_text())
        assert manifest.status in EXIT_CODES and manifest.verdict.status == manifest.status
        assert (report / "report.html").is_file() and manifest.verdict.title in (report / "summary.md").read_text()
        statuses.append(manifest.status)
    until(lambda: not workers(checkout), 15)
    return statuses


def workers(checkout: Path) -> list[psutil.Process]:
    """The other processes whose working folder lies in the checkout."""
    others = (process for process in psutil.process_iter() if process.pid != os.getpid())
    return [process for process in others if _works_in(process, checkout)]


def kernel_of(runner: int) -> psutil.Process | None:
    """The kernel that a runner started, once it is there."""
    try:
        children = psutil.Process(runner).children(recursive=True)
        return next((child for child in children if "ipykernel_launcher" in child.cmdline()), None)
    except psutil.NoSuchProcess:
        return None


def until(condition: Callable[[], object], seconds: float = 60) -> None:
    """Wait for a condition, and fail where it does not come true."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def _works_in(process: psutil.Process, checkout: Path) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE and Path(process.cwd()).is_relative_to(checkout)
    except (psutil.NoSuchProcess, psutil.AccessDenied, FileNotFoundError):
        return False
