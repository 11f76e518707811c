"""Publication of a report, however its run ended: summary, page, and the folder renamed into place."""

from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from nanobrag_torch.workbook.machine.processes import end_noted
from nanobrag_torch.workbook.records.run import Verdict
from nanobrag_torch.workbook.report import page
from nanobrag_torch.workbook.report.folder import PAGE, SUMMARY, Report, clear_starts, orphans
from nanobrag_torch.workbook.running.outcomes import KILLED, of_outcome


def publish(report: Report, verdict: Verdict, root: Path) -> Path:
    """Write summary and page, check the folder, rename it into place, and return its final path."""
    report.set_aside_damaged()
    report.state(verdict)
    content = page.gather(report, verdict, root)
    report.write_text(SUMMARY, page.markdown(content))
    report.write_text(PAGE, page.html(content))
    # The page lists checksums; what was hashed for it is not hashed again before the check that reads every file.
    return report.finish(verdict, known=content.files)


def finish_orphans(reports: Path, root: Path) -> Iterator[tuple[str, str]]:
    """Finish the reports of runs that were killed; yield the name of each, and its outcome in words.

    One process at a time does this; another passes by.
    """
    verdict = of_outcome(KILLED)
    if verdict is None or not reports.is_dir():
        return
    try:
        with FileLock(reports / ".finishing.lock", timeout=0):
            clear_starts(reports)
            for report in orphans(reports):
                try:
                    end_noted(report.folder)
                    yield report.final.name, f"finished as {publish(report, verdict, root)}"
                except Exception as error:
                    yield report.final.name, f"cannot be finished: {error}"
    except (Timeout, OSError):
        # Another process does it, or nothing can be written there; the run itself then complains of that.
        return
