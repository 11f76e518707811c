"""Publication of a report, however its run ended: summary, page, and the folder renamed into place."""

from collections.abc import Callable, Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from nanobrag_torch.workbook.errors import Blocked
from nanobrag_torch.workbook.machine.family import end_after_death
from nanobrag_torch.workbook.machine.processes import whereabouts
from nanobrag_torch.workbook.records.run import Owner, Verdict
from nanobrag_torch.workbook.report import page
from nanobrag_torch.workbook.report.folder import PAGE, SUMMARY, Report, clear_starts, unfinished
from nanobrag_torch.workbook.running.outcomes import KILLED, of_outcome


def publish(report: Report, verdict: Verdict, root: Path, drawn: Callable[[Path], str] | None = None) -> Path:
    """Write summary and page, check the folder, rename it into place, and return its final path.

    Args:
        report: the report.
        verdict: end of the run.
        root: root of the project.
        drawn: makes another page of the folder than that of a notebook's report.
    """
    report.set_aside_damaged()
    report.state(verdict)
    content = page.gather(report, verdict, root)
    report.write_text(SUMMARY, page.markdown(content))
    report.write_text(PAGE, drawn(report.folder) if drawn else page.html(content))
    # The page lists checksums; what was hashed for it is not hashed again before the check that reads every file.
    return report.finish(verdict, known=content.files)


def finish_orphans(reports: Path, root: Path) -> Iterator[tuple[str, str]]:
    """Finish the reports of runs that were killed; yield the name of each, and its outcome in words.

    A run on another machine is left alone, and so is a folder that nothing is known of; both are told. One process at
    a time does this; another passes by.
    """
    verdict = of_outcome(KILLED)
    if verdict is None or not reports.is_dir():
        return
    try:
        with FileLock(reports / ".finishing.lock", timeout=0):
            clear_starts(reports)
            for report, owner in unfinished(reports):
                if owner is None:
                    yield report.folder.name, f"left alone: no record of its run ({Owner.file}) that can be read"
                elif (place := whereabouts(owner.process)) == "elsewhere":
                    yield report.final.name, f"left alone: running on {owner.process.host}"
                elif place == "gone" and owner.resume:
                    yield report.final.name, f"was killed, and goes on with: {owner.resume}"
                elif place == "gone":
                    yield report.final.name, _finish(report, owner, verdict, root)
    except (Timeout, OSError):
        # Another process does it, or nothing can be written there; the run itself then complains of that.
        return


def _finish(report: Report, owner: Owner, verdict: Verdict, root: Path) -> str:
    """End what is left of a run that was killed, publish its report, and say in words how that went."""
    try:
        if surviving := end_after_death(owner.mark):
            raise Blocked(f"its processes {', '.join(map(str, surviving))} do not end. End them, and try again.")
        return f"finished as {publish(report, verdict, root)}"
    except Exception as error:
        return f"cannot be finished: {error}"
