"""Ledger: one table over all runs and plans, computed each time from the manifests and never edited by hand."""

import csv
import io
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from nanobrag_torch.workbook.formatting import measured
from nanobrag_torch.workbook.ledger.contradictions import Contradiction, contradictions
from nanobrag_torch.workbook.plans import header as plan_header
from nanobrag_torch.workbook.plans.header import Plan
from nanobrag_torch.workbook.plans.progress import PhaseState, next_action, phase_states
from nanobrag_torch.workbook.records import catalogue
from nanobrag_torch.workbook.records.base import GRADIENT, KeyNumber
from nanobrag_torch.workbook.records.run import Manifest
from nanobrag_torch.workbook.report.archive import Run, nobodys, scan

#: A spreadsheet takes a text that starts with one of these for a formula; wide forms are those of East Asian keyboards.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
#: A number may have a sign.
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


#: Fields of a row that have a column of a table for each of their entries, or none.
_BY_NAME = ("parameters", "numbers", "units", "errors")


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True)


class LedgerRow(_Entry):
    """One run in the ledger.

    Attributes:
        begun: time of its start in the form of a stamp, by which runs are ordered; empty where it lies in the future.
        place: its folder below the reports.
        answer: answer to the question of its notebook; empty where the notebook states none.
        seconds: time from start to finish.
        numbers: key numbers, with the ``units`` and the ``errors`` (error bars) of those that have them.
    """

    initiative: str
    phase: str
    stamp: str
    begun: str
    place: str
    status: str
    finding: str
    title: str
    sentence: str
    answer: str = ""
    commit: str | None
    dirty: bool | None
    seconds: float | None
    parameters: dict[str, Any] = {}
    numbers: dict[str, float]
    units: dict[str, str] = {}
    errors: dict[str, float] = {}
    contradictions: int

    def text(self, name: str, digits: int = 10) -> str:
        """A key number with its error bar and unit; ``digits`` significant ones where it has no error bar."""
        unit, error = self.units.get(name, ""), self.errors.get(name)
        return measured(KeyNumber(value=self.numbers[name], scale=0.0, unit=unit, error=error), digits)


class NextAction(_Entry):
    """Next action in one initiative; ``plan`` is the path of its plan, null without one."""

    initiative: str
    plan: str | None
    action: str


class Ledger(_Entry):
    """Every run, the next action of every initiative, and the contradictions."""

    model_config = ConfigDict(frozen=True, ser_json_inf_nan="strings")

    rows: tuple[LedgerRow, ...]
    next_actions: tuple[NextAction, ...]
    contradictions: tuple[Contradiction, ...]

    def csv(self) -> str:
        """Rows as CSV with a column for every parameter and key number; texts cannot be taken for formulas."""
        names = sorted({name for row in self.rows for name in row.numbers})
        given = sorted({name for row in self.rows for name in row.parameters})
        fields = [name for name in LedgerRow.model_fields if name not in _BY_NAME]
        stream = io.StringIO()
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow([*fields, *map(_cell, (*(f"parameter {name}" for name in given), *names))])
        for row in self.rows:
            values = [_cell(getattr(row, name)) for name in fields]
            values += [_cell(_text(row.parameters.get(name))) for name in given]
            writer.writerow([*values, *(row.numbers.get(name, "") for name in names)])
        return stream.getvalue()


class Books:
    """Runs and plans as they stand now, read once; the ledger is computed from them."""

    def __init__(self, reports: Path, root: Path) -> None:
        self.root = root
        self.runs = scan(reports)
        self.nobodys = [folder.relative_to(reports).as_posix() for folder in nobodys(reports)]
        self.plans, self.problems = plan_header.read_all(root, reports)
        by_initiative: dict[str, list[Run]] = {}
        for run in self.runs:
            by_initiative.setdefault(run.initiative, []).append(run)
        self.by_initiative = by_initiative
        self.phase_states: dict[str, tuple[PhaseState, ...]] = {
            plan.name: phase_states(plan, by_initiative.get(plan.header.initiative, [])) for plan in self.plans
        }

    def ledger(self) -> Ledger:
        """The ledger of these runs and plans."""
        found = (*contradictions(self.runs), *self._broken_promises())
        counts: dict[str, int] = {}
        for contradiction in found:
            for place in contradiction.places:
                counts[place] = counts.get(place, 0) + 1
        return Ledger(
            rows=tuple(_row(run, counts.get(run.place, 0)) for run in self.runs),
            next_actions=tuple(self._next_actions()),
            contradictions=found,
        )

    def _next_actions(self) -> Iterator[NextAction]:
        planned = {plan.header.initiative for plan in self.plans}
        for plan in self.plans:
            action = next_action(plan, self.phase_states[plan.name])
            yield NextAction(initiative=plan.header.initiative, plan=plan.path, action=action)
        for initiative, runs in self.by_initiative.items():
            if initiative not in planned:
                last = max(runs, key=lambda run: run.order)
                remedy = last.manifest.verdict.remedy if last.manifest else last.problem
                yield NextAction(initiative=initiative, plan=None, action=remedy or "No plan names this initiative.")

    def _broken_promises(self) -> Iterator[Contradiction]:
        """Contradictions of plans that say more than their runs, or cannot be read."""
        for folder in self.nobodys:
            what = f"{folder} holds no record of the run that wrote it, and is left out. Look at it, and delete it."
            yield Contradiction(kind="unreadable", places=(), what=what)
        for problem in self.problems:
            yield Contradiction(kind="plan", places=(), what=problem)
        for problem in catalogue.problems(self.root):
            yield Contradiction(kind="records", places=(), what=problem)
        for plan in self.plans:
            yield from _promises(plan, self.phase_states[plan.name])


def _promises(plan: Plan, states: tuple[PhaseState, ...]) -> Iterator[Contradiction]:
    for step in states:
        if step.phase.state == "done" and step.state != "done":
            places = (step.run.place,) if step.run else ()
            what = f"{plan.path} says that phase {step.phase.id} is done; its runs say {step.state}"
            yield Contradiction(kind="plan", places=places, what=what)
    undone = [step.phase.id for step in states if step.state != "done"]
    if plan.header.state == "closed" and undone:
        yield Contradiction(kind="plan", places=(), what=f"{plan.path} is closed; not done: {', '.join(undone)}")


def _row(run: Run, contradictions: int) -> LedgerRow:
    manifest = run.manifest
    numbers = _numbers(manifest) if manifest else {}
    return LedgerRow(
        initiative=run.initiative,
        phase=run.phase,
        stamp=run.stamp,
        begun=run.begun,
        place=run.place,
        status=run.status,
        finding=manifest.verdict.code if manifest else "",
        title=manifest.verdict.title if manifest else run.problem,
        sentence=manifest.verdict.sentence if manifest else "",
        answer=manifest.verdict.answer if manifest else "",
        commit=manifest.repository.commit if manifest else None,
        dirty=manifest.repository.dirty if manifest else None,
        seconds=_seconds(manifest.started, manifest.finished) if manifest else None,
        parameters={name: entry.value for name, entry in manifest.parameters.items()} if manifest else {},
        numbers={name: entry.value for name, entry in numbers.items()},
        units={name: entry.unit for name, entry in numbers.items() if entry.unit},
        errors={name: entry.error for name, entry in numbers.items() if entry.error is not None},
        contradictions=contradictions,
    )


def _numbers(manifest: Manifest) -> dict[str, KeyNumber]:
    """Key numbers, gradients after all others: a table shows the first of them."""
    return dict(sorted(manifest.numbers.items(), key=lambda item: GRADIENT in item[0]))


def _seconds(started: str, finished: str) -> float | None:
    try:
        return (datetime.fromisoformat(finished) - datetime.fromisoformat(started)).total_seconds()
    except (ValueError, TypeError):
        return None


def _text(value: object) -> object:
    """Value of a parameter for one cell: a list as its entries."""
    return " ".join(map(str, value)) if isinstance(value, list) else value


def _cell(value: object) -> object:
    text = isinstance(value, str) and value.startswith(_FORMULA) and not _NUMBER.fullmatch(value)
    return f"'{value}" if text else "" if value is None else value
