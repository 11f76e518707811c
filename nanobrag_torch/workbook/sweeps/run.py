"""A sweep from the request to its finished report, and from whatever ended it to its end, in one folder."""

import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from threading import Event, Thread
from typing import Literal

from filelock import FileLock

from nanobrag_torch.workbook import files, project
from nanobrag_torch.workbook.errors import Blocked, InputError
from nanobrag_torch.workbook.machine import environment, repository
from nanobrag_torch.workbook.machine.family import carrying, end_after_death, new_mark
from nanobrag_torch.workbook.machine.processes import whereabouts
from nanobrag_torch.workbook.machine.signals import answering
from nanobrag_torch.workbook.records.run import (
    EnvironmentRecord,
    Manifest,
    Owner,
    ParameterValue,
    Repository,
    Source,
    Verdict,
)
from nanobrag_torch.workbook.records.sweep import PointStatus, Specification
from nanobrag_torch.workbook.report.folder import RUNNING, Report, check_stamp, new_stamp, now, this_process
from nanobrag_torch.workbook.running.outcomes import Outcome, of_outcome
from nanobrag_torch.workbook.running.publish import publish
from nanobrag_torch.workbook.running.run import Tell
from nanobrag_torch.workbook.sweeps import (
    cluster,
    conclusion,
    engine,
    evaluation,
    inputs,
    page,
    store,
    sweep_figures,
    table,
    worker,
)
from nanobrag_torch.workbook.sweeps.cluster import Cluster, Local
from nanobrag_torch.workbook.sweeps.engine import Progress, Tally
from nanobrag_torch.workbook.sweeps.evaluation import Evaluate
from nanobrag_torch.workbook.sweeps.watch import Watch

INITIATIVE = "sweep"
#: Names what was mixed in a sweep, a line for each time that somebody went on in spite of a change.
MIXED = "mixed.txt"
#: Ends of points that are computed once more, by the word of the user.
RETRY: dict[str, tuple[PointStatus, ...]] = {
    "failed": ("failed",), "blocked": ("blocked",), "all": ("failed", "blocked"),
}  # fmt: skip
#: File whose time tells other machines that the coordinator lives, and the seconds between two looks and until it is
#: taken for dead.
_HEARTBEAT = "heartbeat"
_BEAT_S, _SILENT_S = 5.0, 60.0
_AWAY = "--mix goes on regardless, --again begins anew."


@dataclass(frozen=True)
class Execution:
    """Way in which a sweep is carried out; nothing of it changes a number.

    Attributes:
        reports: folder of all reports; None for that of the project.
        stamp: stamp of a new report; None for the time of the start.
        cluster: what computes the points.
        retry: points that have ended and are computed once more: "failed", "blocked" or "all" of these.
        again: begin anew, whatever is there.
        mix: go on although source or environment have changed since the sweep began.
        evaluate: function of a point.
        progress: is told how many points are done, failed, blocked, being computed, and asked for.
        watch: keep a page that refreshes itself beside the folder while it runs.
        place: initiative and phase of the report; None for "sweep" and the name of the sweep.
    """

    reports: Path | None = None
    stamp: str | None = None
    cluster: Cluster = field(default_factory=Local)
    retry: Literal["failed", "blocked", "all"] | None = None
    again: bool = False
    mix: bool = False
    evaluate: Evaluate = evaluation.evaluate
    progress: Progress | None = None
    watch: bool = False
    place: tuple[str, str] | None = None

    def of(self, specification: Specification) -> tuple[str, str]:
        """Initiative and phase of the report of a sweep."""
        return self.place or (INITIATIVE, specification.name)


@dataclass(frozen=True)
class _Sweep:
    """A sweep that is there; ``folder`` is that of its report, running or finished."""

    folder: Path
    specification: Specification

    @property
    def stamp(self) -> str:
        return self.folder.name.removeprefix(".").removesuffix(RUNNING)

    @property
    def running(self) -> bool:
        return self.folder.name.endswith(RUNNING)

    def open(self) -> int:
        """Number of points that are not computed."""
        return self.specification.count - sum(1 for _ in store.finished(self.folder))

    def waits(self, execution: Execution) -> bool:
        """Tell whether there is something left to do."""
        ends = RETRY[execution.retry] if execution.retry else ()
        return self.running or self.open() > 0 or any(point.status in ends for point in store.finished(self.folder))


def run(specification: Specification, execution: Execution, tell: Tell) -> tuple[Path, Verdict]:
    """Compute a sweep, or go on with the one that was begun with the same specification.

    Returns:
        The folder of its report, and the verdict.

    Raises:
        InputError: it cannot be carried out as it stands; nothing was started.
        Blocked: another process computes it, or the cluster cannot be had; no point was computed.
        OSError: the disk is full; what is computed stays, and the same call goes on.
    """
    root = project.root()
    reports = (execution.reports or root / project.REPORTS).resolve()
    cluster.check(execution.cluster)
    begun = (
        None if execution.again else _begun(reports.joinpath(*execution.of(specification)), specification, execution)
    )
    if begun is not None:
        return _go_on(begun, execution, root, tell)
    owner = _owner(specification, execution, root)
    report = Report.create(reports, owner, wait=execution.stamp is None)
    report.write(specification)
    tell("sweep", f"{specification.count} points of {specification.target}, in {report.folder.name}")
    return _carry_out(report, specification, execution, root, tell)


def resume(folder: Path | str, execution: Execution, tell: Tell) -> tuple[Path, Verdict]:
    """Go on with a sweep in its folder: what is not computed is, and nothing else.

    Args:
        folder: folder of the sweep, or its name, of which the last is taken.
        execution: how it is carried out.
        tell: is told what happens.

    Returns:
        The folder of its report, and the verdict.

    Raises:
        InputError: there is none, or something has changed since it began.
        Blocked: another process computes it, or the cluster cannot be had.
        OSError: the disk is full.
    """
    root = project.root()
    cluster.check(execution.cluster)
    reports = (execution.reports or root / project.REPORTS).resolve()
    return _go_on(_found(folder, reports), execution, root, tell)


def _sweeps(folder: Path) -> list[_Sweep]:
    """Sweeps of one name, the oldest first."""
    found = []
    for path in (*folder.glob("[0-9]*Z"), *folder.glob(f".[0-9]*Z{RUNNING}")):
        with suppress(files.Unreadable):
            found.append(_Sweep(path, files.read_record(path / Specification.file, Specification)))
    return sorted(found, key=lambda sweep: sweep.stamp)


def _begun(folder: Path, asked: Specification, execution: Execution) -> _Sweep | None:
    """The last sweep that asks the same, and the one that did before a file of its target was changed.

    Raises:
        InputError: that one is not complete, and its points would be mixed with others.
    """
    there = _sweeps(folder)
    same = next((sweep for sweep in reversed(there) if sweep.specification.digest == asked.digest), None)
    if same is not None or not there:
        return same
    last = there[-1]
    unlike = last.specification.model_copy(update={"inputs": asked.inputs}).digest != asked.digest
    if unlike or not last.waits(execution):
        return None
    if execution.mix:
        return last
    changed = inputs.changed(last.specification.inputs, asked.inputs)
    raise InputError.of("sweep", last.stamp, changed, "the files with which it began, since it is not complete", _AWAY)


def _found(given: Path | str, reports: Path) -> _Sweep:
    path = Path(given)
    path = path.parent if path.is_file() else path
    candidates = (path, path.with_name(f".{path.name}{RUNNING}")) if path.name else (path,)
    for folder in candidates:
        with suppress(files.Unreadable):
            return _Sweep(folder.resolve(), files.read_record(folder / Specification.file, Specification))
    there = _sweeps(reports / INITIATIVE / str(given))
    if not there:
        known = sorted(each.name for each in (reports / INITIATIVE).glob("*") if each.is_dir())
        raise InputError.of(
            "sweep", "resume", str(given), f"the folder of a sweep, or a name: {', '.join(known) or 'none yet'}",
            "Check the path.",
        )  # fmt: skip
    return there[-1]


def _go_on(sweep: _Sweep, execution: Execution, root: Path, tell: Tell) -> tuple[Path, Verdict]:
    """Compute what a sweep lacks; nothing is touched where it lacks nothing."""
    if not sweep.waits(execution):
        manifest = files.read_record(sweep.folder / Manifest.file, Manifest)
        tell("sweep", f"done already, in {sweep.folder.name}; --again computes it anew")
        return sweep.folder, manifest.verdict
    with FileLock(sweep.folder.parent / ".claim.lock", timeout=30):
        if sweep.running:
            _see_that_it_ended(Report(sweep.folder))
        changes = _changes(sweep, root)
        if changes and not execution.mix:
            raise InputError.of("sweep", sweep.stamp, "; ".join(changes), "no change since it began", _AWAY)
        report = _claimed(sweep)
    for change in changes:
        mixed = report.folder / MIXED
        before = files.read_text(mixed) if mixed.is_file() else ""
        report.write_text(MIXED, f"{before}{now()}: {change}\n")
    if execution.retry:
        for point in list(store.finished(report.folder)):
            if point.status in RETRY[execution.retry]:
                store.place(report.folder, point.number).unlink()
    left = _Sweep(report.folder, sweep.specification).open()
    tell("sweep", f"{sweep.stamp}: {left} of {sweep.specification.count} points are left")
    return _carry_out(report, sweep.specification, execution, root, tell, mixed=bool(changes))


def _see_that_it_ended(report: Report) -> None:
    """End what a killed coordinator left. Raises ``Blocked`` where it lives."""
    owner = report.read(Owner)
    if owner is None:
        raise Blocked(f"{report.folder.name}: no record of the run that wrote it; delete the folder.")
    place = whereabouts(owner.process)
    silent = _silent(report.folder / store.WORK)
    if place == "here" or (place == "elsewhere" and silent < _SILENT_S):
        where = f"process {owner.process.pid} on {owner.process.host}"
        raise Blocked(f"The sweep is being computed by {where}. Wait for it, or end it and try again.")
    if surviving := end_after_death(owner.mark):
        raise Blocked(f"Processes {', '.join(map(str, surviving))} of it do not end. End them, and try again.")
    cluster.release(owner.mark)


def _silent(work: Path) -> float:
    """Seconds since a coordinator was last heard of, by the clock of the disk."""
    here = work / f"{_HEARTBEAT}.look"
    try:
        files.write(here, "")
        return here.stat().st_mtime - (work / _HEARTBEAT).stat().st_mtime
    except OSError:
        return _SILENT_S
    finally:
        with suppress(OSError):
            here.unlink()


def _changes(sweep: _Sweep, root: Path) -> list[str]:
    """Changes since a sweep began, in words: files of its target, source, versions."""
    asked = sweep.specification.inputs
    found = [inputs.changed(asked, inputs.today(asked, root))]
    report = Report(sweep.folder)
    began = report.read(Owner) or report.read(Manifest)
    if began is not None:
        found.append(_source(began.repository, repository.state(root), root, datetime.fromisoformat(began.started)))
    recorded = report.read(EnvironmentRecord)
    if recorded is not None:
        found.append(environment.differences(recorded.versions, environment.versions()))
    return [words for words in found if words]


def _source(then: Repository, today: Repository, root: Path, moment: datetime) -> str:
    """Changes of the source in words: another commit, or code that was written since."""
    if then.commit is None or today.commit is None:
        return ""
    if then.commit != today.commit:
        return f"the commit is {today.commit[:10]}, then {then.commit[:10]}"
    begun = moment.timestamp()
    code = (name for name in sorted({*then.changed, *today.changed}) if name.endswith((".py", "/")))
    other = [
        name
        for name in code
        if (name in then.changed) != (name in today.changed) or repository.written(root / name) >= begun
    ]
    return f"{', '.join(other)} changed" if other else ""


def _claimed(sweep: _Sweep) -> Report:
    """The folder of a sweep made a working folder of this process, with nothing in it that says how it ended."""
    report = Report(sweep.folder)
    began = report.read(Owner) or report.read(Manifest)
    if began is None:
        raise Blocked(f"{sweep.folder.name}: no record of the run that wrote it; delete the folder.")
    shared = {name: getattr(began, name) for name in Owner.model_fields if name in type(began).model_fields}
    shared |= {"process": this_process(), "mark": new_mark(), "resume": _command(Report(sweep.folder).final)}
    shared |= {"title": _title(sweep.specification)}
    report.write(Owner(**shared))
    if not sweep.running:
        working = sweep.folder.with_name(f".{sweep.stamp}{RUNNING}")
        sweep.folder.rename(working)
        report = Report(working)
    report.write_text("status", "running\n")
    for name in (Manifest.file, f"{Manifest.file}.sig", Verdict.file):
        (report.folder / name).unlink(missing_ok=True)
    return report


def _title(specification: Specification) -> str:
    return f"Sweep {specification.name}"


def _command(final: Path) -> str:
    """Command that goes on with the sweep whose report will be ``final``."""
    return f"nanobrag-workbook sweep resume {Path(os.path.relpath(final, project.root())).as_posix()}"


def _carry_out(
    report: Report, specification: Specification, execution: Execution, root: Path, tell: Tell, mixed: bool = False
) -> tuple[Path, Verdict]:
    """Compute what is open, and publish."""
    owner = report.read(Owner)
    assert owner is not None
    # What was underway when a coordinator died was not the death of its worker.
    shutil.rmtree(report.folder / store.WORK, ignore_errors=True)
    task = worker.Task(report.folder, root, worker.mark_disk(report.folder), mixed, execution.evaluate)
    tally = Tally(specification.count)
    todo = engine.still_open(report.folder, specification.count, tally)
    stopped: Verdict | None = None
    with carrying(owner.mark), answering(signal.default_int_handler), ExitStack() as stack:
        try:
            with _heard(report.folder / store.WORK):
                if todo:
                    _compute(task, todo, tally, specification, execution, owner.mark, stack)
        except KeyboardInterrupt:
            stack.enter_context(answering(signal.SIG_IGN))
            stopped = of_outcome(Outcome("interrupted", detail="a signal asked the sweep to stop"))
        except Blocked as error:
            if not any(tally.ends.values()):
                shutil.rmtree(report.folder)
                raise
            stopped = of_outcome(Outcome("raised", "Blocked", str(error)))
        stack.enter_context(answering(signal.SIG_IGN))
        if stopped is not None:
            stopped = stopped.model_copy(update={"remedy": owner.resume})
        tell("report", "writing table, page and manifest")
        published = _published(report, specification, stopped, root)
        if execution.watch:
            Watch(report.folder).end()
        return published


def _compute(
    task: worker.Task, todo: list[int], tally: Tally, specification: Specification, execution: Execution, mark: str,
    stack: ExitStack,
) -> None:  # fmt: skip
    """Compute points on the cluster of an execution; ``stack`` ends later than the cluster."""
    told = execution.progress or (lambda *_: None)
    watch = Watch(task.sweep) if execution.watch else None

    def progress(done: int, failed: int, blocked: int, running: int, total: int) -> None:
        """Tell how far it is, and keep the page."""
        told(done, failed, blocked, running, total)
        if watch is not None:
            watch.refresh()

    with cluster.joined(execution.cluster, task.sweep, mark, len(todo)) as (client, ends):
        try:
            report = Report(task.sweep)
            if report.read(EnvironmentRecord) is None:
                fixed = specification.fixed
                device, dtype = str(fixed.get("device", "cpu")), str(fixed.get("dtype", "float64"))
                progress(0, 0, 0, 0, tally.total)
                report.write(client.submit(worker.observe, device, dtype, retries=3).result())
            engine.compute(client, task, todo, tally, progress, ends, alone=specification.grain == "report")
        except KeyboardInterrupt:
            stack.enter_context(answering(signal.SIG_IGN))
            raise


@contextmanager
def _heard(work: Path) -> Iterator[None]:
    """Let other machines see that this process lives, by the time of a file."""
    ended = Event()

    def beat() -> None:
        while not ended.is_set():
            with suppress(OSError):
                (work / _HEARTBEAT).touch()
            ended.wait(_BEAT_S)

    thread = Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _published(
    report: Report, specification: Specification, stopped: Verdict | None, root: Path
) -> tuple[Path, Verdict]:
    """Write table, results and verdict of what is on disk, and publish the report."""
    shutil.rmtree(report.folder / store.WORK, ignore_errors=True)
    for left in (report.folder / store.REPORTS).glob(f"*/.*{RUNNING}"):
        shutil.rmtree(left, ignore_errors=True)
    found = table.frame(specification, store.finished(report.folder))
    table.write(report.folder, found)
    results = report.write(conclusion.results(found))
    answer = conclusion.answer(found, specification.names)
    verdict = stopped or conclusion.verdict(results, (report.folder / MIXED).is_file(), answer)
    report.write(verdict)
    if drawing := sweep_figures.leading(specification, found):
        report.write(drawing)
    return publish(report, verdict, root, page.render), verdict


def _owner(specification: Specification, execution: Execution, root: Path) -> Owner:
    """Identity of a sweep for its report."""
    stamp = check_stamp(execution.stamp) if execution.stamp else new_stamp()
    initiative, phase = execution.of(specification)
    source: Source = "plan" if specification.plan else "command line"
    values = {
        name: ParameterValue(value=f"{len(block.rows)} values", unit=unit, source=source)
        for block in specification.blocks
        for name, unit in zip(block.names, block.units, strict=True)
    }
    values |= {name: ParameterValue(value=v, unit="", source=source) for name, v in specification.fixed.items()}
    owner = Owner(
        process=this_process(),
        mark=new_mark(),
        started=now(),
        initiative=initiative,
        phase=phase,
        stamp=stamp,
        title=_title(specification),
        notebook=specification.target,
        notebook_sha256=specification.inputs.get(specification.target, specification.digest),
        brief=specification.target if specification.kind == "brief" else None,
        plan=specification.plan,
        parameters=values,
        repository=repository.state(root),
    )
    reports = (execution.reports or root / project.REPORTS).resolve()
    return owner.model_copy(update={"resume": _command(reports / initiative / phase / stamp)})
