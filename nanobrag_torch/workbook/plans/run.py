"""Execution of a plan: phases in order, skipped where they are done, stopped where a criterion does not hold."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from filelock import FileLock, Timeout

from nanobrag_torch.workbook import project
from nanobrag_torch.workbook.errors import Blocked, InputError
from nanobrag_torch.workbook.machine import repository
from nanobrag_torch.workbook.plans import fields
from nanobrag_torch.workbook.plans.header import Phase, Plan
from nanobrag_torch.workbook.plans.progress import PhaseState, next_action, phase_state, phase_states
from nanobrag_torch.workbook.records.run import EXIT_CODES
from nanobrag_torch.workbook.records.sweep import Specification
from nanobrag_torch.workbook.report.archive import in_phase, read, scan
from nanobrag_torch.workbook.report.folder import Report, new_stamp
from nanobrag_torch.workbook.running.run import PlannedPhase, RunRequest, Tell, check_request, run
from nanobrag_torch.workbook.sweeps import design, targets
from nanobrag_torch.workbook.sweeps import run as sweeps

#: State of the phase at which a plan stopped -> exit code.
STOPPED_AT = {"failed": EXIT_CODES["failed"], "blocked": EXIT_CODES["blocked"], "open": EXIT_CODES["interrupted"]}


@dataclass(frozen=True)
class Session:
    """One execution of a plan.

    Attributes:
        plan: the plan.
        phases: phases that are to run.
        root: root of the project.
        reports: folder of all reports.
        stamp: stamp of their reports; None for the time of the start.
        again: repeat phases whose evidence stands.
    """

    plan: Plan
    phases: tuple[Phase, ...]
    root: Path
    reports: Path
    stamp: str | None = None
    again: bool = False


def run_plan(session: Session, tell: Tell) -> tuple[int, str]:
    """Run the phases of a session in order.

    A phase whose evidence stands (same notebook, parameters, environment and source, and it meets its criteria) is not
    repeated unless ``again``. The first phase that is blocked or misses a criterion ends the run.

    Returns:
        The exit code, and the next action in a sentence.

    Raises:
        InputError: a phase cannot be run as written; nothing was started.
        Blocked: the plan is being run already.
    """
    faults = fields.problems(session.plan, session.root)
    if faults:
        raise InputError(" ".join(faults))
    with _alone(session):
        stamp = session.stamp or _free_stamp(session)
        for phase in session.phases:
            if phase.state != "blocked":
                _check(session, phase, stamp)
        for phase in session.phases:
            step = _take(session, phase, stamp, tell)
            if step.state != "done":
                return STOPPED_AT[step.state], next_action(session.plan, (step,))
    return 0, next_action(session.plan, phase_states(session.plan, scan(session.reports)))


def _take(session: Session, phase: Phase, stamp: str, tell: Tell) -> PhaseState:
    """Run one phase, unless its evidence stands.

    Args:
        session: the session.
        phase: the phase.
        stamp: stamp of its report.
        tell: is told what happens.

    Returns:
        The state that its evidence shows.
    """
    label = f"phase {phase.id}"
    step = _latest(session, phase)
    if phase.state == "blocked":
        tell(label, f"blocked: {step.reason}")
        return step
    if step.state == "done" and not session.again and _stands(session, step, stamp):
        assert step.run is not None
        tell(label, f"done already, in {step.run.place}")
        return step
    tell(label, phase.title)
    folder = _run(session, phase, stamp, tell)
    step = phase_state(phase, read(folder))
    for criterion in step.criteria:
        tell("holds" if criterion.holds else "DOES NOT HOLD", f"{criterion.text}   [{criterion.because}]")
    tell(label, step.state + (f": {step.reason}" if step.reason else f", in {step.run.place}" if step.run else ""))
    return step


def _check(session: Session, phase: Phase, stamp: str) -> None:
    """Check a phase before any is run. Raises ``InputError``."""
    if phase.sweep is not None:
        _specification(session, phase)
    else:
        check_request(_request(session, phase, stamp))


def _run(session: Session, phase: Phase, stamp: str, tell: Tell) -> Path:
    """Run a phase, and return the folder of its report."""
    if phase.sweep is None:
        return run(_request(session, phase, stamp), tell)[0]
    place = (session.plan.header.initiative, phase.folder)
    execution = sweeps.Execution(session.reports, stamp, again=session.again, place=place)
    return sweeps.run(_specification(session, phase), execution, tell)[0]


def _specification(session: Session, phase: Phase) -> Specification:
    """Points of a phase that is a sweep."""
    assert phase.sweep is not None
    return design.specify(
        design.Request(
            target=target_of(phase, session.root),
            over=tuple(phase.sweep.over),
            fixed=phase.parameters,
            name=f"{session.plan.name}-{phase.id}",
            measure=tuple(phase.sweep.measure),
            zipped=phase.sweep.zip,
            sample=phase.sweep.sample,
            design=phase.sweep.design,
            seed=phase.sweep.seed,
            many=phase.sweep.many,
            plan=session.plan.path,
            phase=phase.id,
        ),
        session.root,
    )


def target_of(phase: Phase, root: Path) -> targets.Target:
    """Target of a sweep for what a phase evaluates."""
    if phase.scenario is not None:
        return targets.resolve(phase.scenario, root)
    place = project.find(phase.brief or phase.notebook or "", root)
    return targets.notebook(place, phase.brief is not None, root, phase.parameters)


def _request(session: Session, phase: Phase, stamp: str) -> RunRequest:
    header = session.plan.header
    return RunRequest(
        brief=project.find(phase.brief, session.root) if phase.brief else None,
        notebook=project.find(phase.notebook, session.root) if phase.notebook else None,
        reports=session.reports,
        stamp=stamp,
        timeout=phase.timeout_s,
        planned=PlannedPhase(
            plan=session.plan.path,
            initiative=header.initiative,
            phase=phase.folder,
            title=f"{session.plan.title}, phase {phase.id.upper()}: {phase.title}",
            parameters=phase.parameters,
            guards=None if phase.brief else header.guards,
        ),
    )


def _stands(session: Session, step: PhaseState, stamp: str) -> bool:
    """Tell whether a run today would ask the same question of the same source as the run that is there."""
    then = step.run.manifest if step.run else None
    if then is None:
        return False
    started = datetime.fromisoformat(then.started).timestamp()
    unchanged = repository.unchanged_since(session.root, then.repository, started)
    if step.phase.sweep is not None:
        assert step.run is not None
        asked_then = Report(step.run.folder).read(Specification)
        return asked_then is not None and asked_then.digest == _specification(session, step.phase).digest and unchanged
    today = check_request(_request(session, step.phase, stamp))
    asked = [{name: entry.value for name, entry in each.items()} for each in (then.parameters, today.values)]
    return (
        then.notebook_sha256 == today.owner.notebook_sha256
        and asked[0] == asked[1]
        and then.guards == today.guards
        and unchanged
    )


def _latest(session: Session, phase: Phase) -> PhaseState:
    """State of a phase as its last run leaves it."""
    there = [run for run in in_phase(_folder(session, phase)) if run.stamped]
    return phase_state(phase, there[-1] if there else None)


def _folder(session: Session, phase: Phase) -> Path:
    return session.reports / session.plan.header.initiative / phase.folder


def _free_stamp(session: Session) -> str:
    """Stamp of this second, or of the next in which no phase has a report yet."""
    while any((_folder(session, phase) / new_stamp()).exists() for phase in session.phases):
        time.sleep(0.2)
    return new_stamp()


@contextmanager
def _alone(session: Session) -> Iterator[None]:
    folder = session.reports / session.plan.header.initiative
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / ".plan.lock", timeout=0):
            yield
    except Timeout:
        raise Blocked(f"{session.plan.path} is being run by another process. Wait until it has ended.") from None
