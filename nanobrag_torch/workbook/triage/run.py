"""Triage from the user's request to a finished report, and from an interrupted report to its end."""

import re
import shutil
import signal
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from nanobrag_torch.workbook import project
from nanobrag_torch.workbook.errors import InputError
from nanobrag_torch.workbook.machine import environment, repository
from nanobrag_torch.workbook.machine.family import carrying, new_mark
from nanobrag_torch.workbook.machine.signals import answering
from nanobrag_torch.workbook.notebooks.source import digest
from nanobrag_torch.workbook.records.run import Owner, ParameterValue, Verdict
from nanobrag_torch.workbook.records.triage import Chunk, ChunkResult, Suite
from nanobrag_torch.workbook.report.folder import NOTEBOOK, Report, check_stamp, new_stamp, now, this_process
from nanobrag_torch.workbook.running.execute import execute
from nanobrag_torch.workbook.running.outcomes import Outcome, of_outcome
from nanobrag_torch.workbook.running.publish import publish
from nanobrag_torch.workbook.running.run import Tell
from nanobrag_torch.workbook.show.markdown import render_markdown
from nanobrag_torch.workbook.triage import chunks, conclusion, journal, suite

INITIATIVE = "triage"
_SUITE_NOTEBOOK = "triage/suite"
REMEDIATION = "remediation.md"
_NOTEBOOK_LIMIT_S = 600


@dataclass(frozen=True)
class TriageRequest:
    """Request of the user.

    Attributes:
        pytest_arguments: words given to pytest.
        project: folder of the suite.
        chunks: number of chunks, at most.
        time_limit_s: time limit of a chunk, in seconds.
        gradient_guard: True where the gradient guard is to watch the tests.
        against: stamp of the run to compare with; None for the last that came to its end.
    """

    pytest_arguments: tuple[str, ...]
    project: Path
    chunks: int = 10
    time_limit_s: int = 1800
    gradient_guard: bool = True
    against: str | None = None


@dataclass(frozen=True)
class Execution:
    """Folder of all reports, stamp of this one, and number of chunks that may run at a time."""

    reports: Path | None = None
    stamp: str | None = None
    jobs: int = 1


def run(request: TriageRequest, execution: Execution, tell: Tell) -> tuple[Path, Verdict]:
    """Run a suite in chunks and report on it.

    Returns:
        The folder of the report, and its verdict.

    Raises:
        InputError: the request cannot be carried out as it stands; no report was begun.
        Blocked: pytest cannot collect the suite; no report was begun.
    """
    root = project.root()
    suite_root = request.project.resolve()
    if not suite_root.is_dir():
        raise InputError.of("triage", "--project", str(request.project), "a folder", "Give the folder of the suite.")
    folder = _suite_folder(execution, root, _name(suite_root))
    earlier = _earlier(folder, request.against)
    tell("collecting", f"pytest {' '.join(request.pytest_arguments)}")
    found = suite.collect(suite_root, request.pytest_arguments, request.time_limit_s)
    known = suite.seconds_by_file(earlier.results) if earlier else {}
    asked = Suite(
        project=journal.visible(suite.from_root(suite_root, root)),
        pytest_arguments=tuple(map(journal.visible, request.pytest_arguments)),
        chunks=suite.divide(found, request.chunks, known),
        time_limit_s=request.time_limit_s,
        gradient_guard=request.gradient_guard,
        earlier=earlier.stamp if earlier else None,
    )
    tests = sum(len(ids) for ids in found.values())
    tell("collecting", f"{tests} tests in {len(found)} files, {len(asked.chunks)} chunks")
    return _carry_out(asked, {}, folder, execution, root, tell)


def resume(stamp: str | None, suite_root: Path, execution: Execution, tell: Tell) -> tuple[Path, Verdict]:
    """Finish an interrupted triage of a suite in a report of its own: finished chunks are taken over, the others run.

    Args:
        stamp: stamp of the interrupted run; None for the last.
        suite_root: folder of the suite.
        execution: folder of reports, stamp and number of jobs.
        tell: is told what happens.

    Returns:
        The folder of the report, and its verdict.

    Raises:
        InputError: there is no such run.
    """
    root = project.root()
    folder = _suite_folder(execution, root, _name(suite_root.resolve()))
    interrupted = {run.stamp: run for run in _runs(folder) if run.status == "interrupted"}
    if not interrupted:
        raise InputError.of("triage", "resume", folder.name, "a suite with an interrupted run", "Use triage run.")
    stamp = stamp or max(interrupted)
    if stamp not in interrupted:
        raise InputError.of("triage", "resume", stamp, ", ".join(interrupted), "Name one, or none for the last.")
    asked = interrupted[stamp].suite
    finished = {result.number: folder / stamp for result in interrupted[stamp].results}
    tell("resuming", f"{stamp}: {len(finished)} of {len(asked.chunks)} chunks are done")
    return _carry_out(asked.model_copy(update={"resumed": stamp}), finished, folder, execution, root, tell)


def _carry_out(
    asked: Suite, finished: dict[int, Path], folder: Path, execution: Execution, root: Path, tell: Tell
) -> tuple[Path, Verdict]:
    """Run the chunks that are not finished, conclude, and publish the report.

    Args:
        asked: the suite in chunks.
        finished: number of a chunk -> folder of the report that holds its result.
        folder: folder of the reports on this suite.
        execution: stamp and number of jobs.
        root: root of the project.
        tell: is told what happens.

    Returns:
        The folder of the report, and its verdict.
    """
    owner = _owner(asked, folder, execution, root)
    report = Report.create(folder.parents[1], owner, wait=execution.stamp is None)
    report.write(asked)
    for chunk in asked.chunks:
        if chunk.number in finished:
            source = finished[chunk.number]
            shutil.copytree(chunks.folder_of(source, chunk), chunks.folder_of(report.folder, chunk))
    with carrying(owner.mark), answering(signal.default_int_handler):
        try:
            _run_chunks(
                [c for c in asked.chunks if c.number not in finished], asked, execution.jobs, report, root, tell
            )
            verdict = _conclude(asked, report, folder, root, tell)
        except KeyboardInterrupt:
            stopped = of_outcome(Outcome("interrupted", detail="a signal asked the triage to stop"))
            assert stopped is not None
            verdict = stopped.model_copy(update={"remedy": f"nanobrag-workbook triage resume {report.final.name}"})
        with answering(signal.SIG_IGN):
            return publish(report, verdict, root), verdict


def _run_chunks(todo: list[Chunk], asked: Suite, jobs: int, report: Report, root: Path, tell: Tell) -> None:
    """Run chunks side by side; on an interrupt end those that are running, and leave them without a result.

    Args:
        todo: chunks to run.
        asked: the suite.
        jobs: chunks that run at a time.
        report: takes the results.
        root: root of the project.
        tell: is told of each chunk that is done.
    """
    stop = Event()
    suite_root = (root / journal.raw(asked.project)).resolve()
    with ThreadPoolExecutor(jobs) as pool:
        running = [
            pool.submit(chunks.run, chunk, asked, suite_root, chunks.folder_of(report.folder, chunk), stop)
            for chunk in todo
        ]
        try:
            for done in as_completed(running):
                result = done.result()
                if result is not None:
                    tell("chunk", _line(result, asked))
        except BaseException:
            stop.set()
            pool.shutdown(cancel_futures=True)
            raise


def _conclude(asked: Suite, report: Report, folder: Path, root: Path, tell: Tell) -> Verdict:
    """Write the records of a triage and run the notebook that shows them.

    Args:
        asked: the suite.
        report: the report, with the results of the chunks.
        folder: folder of the reports on this suite, for the earlier run.
        root: root of the project.
        tell: is told of each cell.

    Returns:
        The verdict of the triage, or that of its notebook where it was not completed.
    """
    earlier = conclusion.read(folder / asked.earlier) if asked.earlier else None
    triage = report.write(conclusion.conclude(conclusion.read_results(report.folder, asked), earlier))
    report.write_text(REMEDIATION, render_markdown("remediation.md.j2", triage=triage))
    verdict = report.write(conclusion.verdict(triage, asked))

    def on_cell(cell: int, cells: int, heading: str) -> None:
        """Tell of a cell before it runs."""
        tell("notebook", f"cell {cell} of {cells}: {heading}")

    ended = execute(
        project.notebook(_SUITE_NOTEBOOK, root),
        report.folder / NOTEBOOK,
        dict.fromkeys(("report_folder", "triage_folder"), suite.from_root(report.folder, root)),
        environment=environment.of_tests(),
        cwd=root,
        timeout=_NOTEBOOK_LIMIT_S,
        on_cell=on_cell,
    )
    return of_outcome(ended) or verdict


def _owner(asked: Suite, folder: Path, execution: Execution, root: Path) -> Owner:
    """Identity of a triage for its report.

    Args:
        asked: the suite.
        folder: folder of the reports on this suite; its name is the phase.
        execution: stamp and number of jobs.
        root: root of the project.
    """
    given = {
        "project": asked.project,
        "pytest_arguments": " ".join(asked.pytest_arguments),
        "chunks": len(asked.chunks),
        "jobs": execution.jobs,
        "gradient_guard": asked.gradient_guard,
        "compared_with": asked.earlier or "nothing",
    }
    values = {name: ParameterValue(value=value, unit="", source="command line") for name, value in given.items()}
    limit = ParameterValue(value=asked.time_limit_s, unit="s", source="command line")
    return Owner(
        process=this_process(),
        mark=new_mark(),
        started=now(),
        initiative=INITIATIVE,
        phase=folder.name,
        stamp=check_stamp(execution.stamp) if execution.stamp else new_stamp(),
        title=f"Triage of {folder.name}",
        notebook=project.shown(project.notebook(_SUITE_NOTEBOOK, root), root),
        notebook_sha256=digest(project.notebook(_SUITE_NOTEBOOK, root).read_bytes()),
        brief=None,
        parameters=values | {"time_limit": limit},
        repository=repository.state((root / journal.raw(asked.project)).resolve()),
    )


def _line(result: ChunkResult, asked: Suite) -> str:
    failing = sum(test.failure is not None for test in result.tests)
    return (
        f"{result.number} of {len(asked.chunks)}: {len(result.tests)} tests, {failing} failing, "
        f"{result.meaning}, {result.elapsed_s:.1f} s"
    )


def _suite_folder(execution: Execution, root: Path, name: str) -> Path:
    return (execution.reports or root / project.REPORTS).resolve() / INITIATIVE / name


def _name(suite_root: Path) -> str:
    """Name of a suite as a folder: that of its project, in letters that every system takes."""
    return re.sub(r"[^\w.-]+", "_", suite_root.name).strip("._") or "suite"


def _runs(folder: Path) -> list[conclusion.StoredTriage]:
    """Triages of a suite in order of their stamps; those that cannot be read are left out."""
    found = (conclusion.read(path.parent) for path in sorted(folder.glob(f"[0-9]*/{Suite.file}")))
    return [run for run in found if run is not None]


def _earlier(folder: Path, against: str | None) -> conclusion.StoredTriage | None:
    """Run to compare with: the one that is asked for, or the last that came to its end, or none."""
    finished = {run.stamp: run for run in _runs(folder) if run.triage and run.status in ("passed", "failed")}
    if against is not None and against not in finished:
        known = ", ".join(finished) or "none yet"
        raise InputError.of("triage", "--against", against, known, "Give the stamp of a finished run of this suite.")
    return finished.get(against or max(finished, default=""))
