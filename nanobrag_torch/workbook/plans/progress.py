"""Progress of a plan: the latest evidence of every phase, held against its exit criteria."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from nanobrag_torch.workbook import files
from nanobrag_torch.workbook.formatting import number
from nanobrag_torch.workbook.plans.expressions import CannotEvaluate, Column, Expression
from nanobrag_torch.workbook.plans.header import Phase, Plan
from nanobrag_torch.workbook.records.run import Manifest
from nanobrag_torch.workbook.records.sweep import Specification
from nanobrag_torch.workbook.report.archive import Run
from nanobrag_torch.workbook.sweeps import store

#: Name under which exit criteria find the points of a sweep.
POINTS = "points"
State = Literal["open", "running", "done", "failed", "blocked"]
#: Status of the latest run -> state of the phase; "passed" is left to the exit criteria.
_BY_STATUS: dict[str, State] = {
    "running": "running", "failed": "failed", "unreadable": "failed", "blocked": "blocked", "interrupted": "open",
    "killed": "open",
}  # fmt: skip


@dataclass(frozen=True)
class Criterion:
    """An exit criterion held against a run: its truth, and the values that it read or the reason that it read none."""

    text: str
    holds: bool
    because: str


@dataclass(frozen=True)
class PhaseState:
    """State of one phase.

    Attributes:
        phase: the phase.
        state: its state.
        run: the run that shows it; None without one.
        criteria: its exit criteria, where the run has passed.
        reason: obstacle in words, where there is one.
    """

    phase: Phase
    state: State
    run: Run | None = None
    criteria: tuple[Criterion, ...] = ()
    reason: str = ""


def phase_states(plan: Plan, runs: Iterable[Run]) -> tuple[PhaseState, ...]:
    """State of every phase of ``plan``, from the latest of ``runs`` in its folder."""
    latest = {run.phase: run for run in runs if run.initiative == plan.header.initiative and run.stamped}
    return tuple(phase_state(phase, latest.get(phase.folder)) for phase in plan.header.phases)


def phase_state(phase: Phase, run: Run | None) -> PhaseState:
    """State of one phase, from the run that is to show it."""
    if phase.state == "blocked":
        return PhaseState(phase, "blocked", run, reason=phase.blocked_by)
    if run is None:
        return PhaseState(phase, "open")
    if run.status != "passed":
        reason = run.problem or (run.manifest.verdict.sentence if run.manifest else f"the run was {run.status}")
        return PhaseState(phase, _BY_STATUS[run.status], run, reason=reason)
    criteria = check(phase.exit, run.folder)
    failed = [criterion for criterion in criteria if not criterion.holds]
    reason = "; ".join(f"{criterion.text} does not hold: {criterion.because}" for criterion in failed)
    return PhaseState(phase, "failed" if failed else "done", run, criteria, reason)


def check(expressions: Iterable[str], folder: Path) -> tuple[Criterion, ...]:
    """Hold every expression against the records in the folder of a run."""
    data, unreadable = records(folder)
    return tuple(_check(text, data, unreadable) for text in expressions)


def records(folder: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """Content of the JSON files of a report, and why others cannot be read, by their names without suffix.

    The manifest is left out. Of a sweep, "points" is the column of all points.
    """
    found: dict[str, Any] = {}
    unreadable: dict[str, str] = {}
    if (folder / Specification.file).is_file():
        try:
            found[POINTS] = _points(folder)
        except files.Unreadable as error:
            unreadable[POINTS] = f"{Specification.file} cannot be read: {error}"
    for path in files.within(folder, ".json"):
        if path.name == Manifest.file or not path.stem.isidentifier():
            continue
        try:
            found[path.stem] = files.read_json(path)
        except files.Unreadable as error:
            unreadable[path.stem] = f"{path.name} cannot be read: {error}"
    return found, unreadable


def _points(folder: Path) -> Column:
    """Every point of a sweep with its parameters and what it found, each name with dots an entry of an entry."""
    specification = files.read_record(folder / Specification.file, Specification)
    computed = {point.number: point for point in store.finished(folder)}
    column = Column()
    for place, values in enumerate(specification.points()):
        point = computed.get(place)
        row: dict[str, Any] = {"status": point.status if point else "open", **values}
        column.append(_nested(row | (dict(point.columns) if point else {})))
    return column


def _nested(row: dict[str, Any]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for name, value in row.items():
        *branches, leaf = name.split(".")
        held = tree
        for branch in branches:
            inner = held.setdefault(branch, {})
            held = inner if isinstance(inner, dict) else held
        held[leaf] = value
    return tree


def next_action(plan: Plan, states: Iterable[PhaseState]) -> str:
    """Next action of a plan, in a sentence."""
    command = f"nanobrag-workbook plan run {plan.name}"
    for step in states:
        what = f"phase {step.phase.id} ({step.phase.title})"
        match step.state:
            case "open":
                return f"Run {what}: {command}"
            case "running":
                return f"Wait for {what}, which is running."
            case "blocked":
                return f"Clear the way for {what}, which is blocked: {step.reason}"
            case "failed":
                return f"Find out why {what} failed ({step.reason}); then: {command}"
    if plan.header.state == "open":
        return f'Every phase is done: write the conclusion into {plan.path} and set state = "closed".'
    return "Nothing: the plan is closed."


def _check(text: str, data: dict[str, Any], unreadable: dict[str, str]) -> Criterion:
    expression = Expression.parse(text, "plan")
    try:
        result = expression.evaluate(data)
    except CannotEvaluate as error:
        causes = [unreadable[name] for name in sorted(expression.records & unreadable.keys())]
        return Criterion(text, False, "; ".join(causes) or str(error))
    return Criterion(text, result.holds, ", ".join(f"{name} = {_shown(value)}" for name, value in result.seen.items()))


def _shown(value: Any) -> str:
    return number(value) if isinstance(value, float) else str(value)
