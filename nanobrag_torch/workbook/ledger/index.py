"""Index of all reports and a page for every initiative: single files with relative links, computed each time."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from nanobrag_torch.workbook import files
from nanobrag_torch.workbook.ledger import timeline
from nanobrag_torch.workbook.ledger.contradictions import Contradiction
from nanobrag_torch.workbook.ledger.ledger import Books, Ledger, LedgerRow, NextAction
from nanobrag_torch.workbook.ledger.thumbnails import Thumbnail, gallery
from nanobrag_torch.workbook.ledger.timeline import Curve
from nanobrag_torch.workbook.plans.header import Plan
from nanobrag_torch.workbook.plans.progress import PhaseState
from nanobrag_torch.workbook.report.folder import now
from nanobrag_torch.workbook.show.html import environment, sealed

INDEX = "index.html"
#: Key numbers that a row shows without unfolding.
SHOWN = 3


@dataclass(frozen=True)
class Initiative:
    """Content of the page of one initiative; ``home`` leads from that page to the folder of all reports."""

    name: str
    home: str
    plan: Plan | None
    phases: tuple[PhaseState, ...]
    action: NextAction
    rows: tuple[LedgerRow, ...]
    contradictions: tuple[Contradiction, ...]
    curves: tuple[Curve, ...]
    thumbnails: tuple[Thumbnail, ...]
    written: str


@dataclass(frozen=True)
class Overview:
    """Content of the index."""

    home: str
    counts: dict[str, int]
    ledger: Ledger
    initiatives: tuple[Initiative, ...]
    rows: tuple[LedgerRow, ...]
    thumbnails: tuple[Thumbnail, ...]
    written: str


def write(reports: Path, root: Path) -> Path:
    """Write ``index.html`` into ``reports`` and into the folder of every initiative; return the former."""
    books = Books(reports, root)
    ledger = books.ledger()
    written = now()
    rows, found = _by_initiative(ledger)
    initiatives = tuple(
        _initiative(books, action, rows.get(action.initiative, []), found.get(action.initiative, []), written)
        for action in ledger.next_actions
    )
    reports.mkdir(parents=True, exist_ok=True)
    templates = environment()
    templates.globals.update(shown=SHOWN, curve=timeline)
    for initiative in initiatives:
        runs = books.by_initiative.get(initiative.name)
        # The name of a folder need not be UTF-8; that of an initiative is.
        folder = runs[0].folder.parents[1] if runs else reports / initiative.name
        if folder.is_dir():
            files.write(folder / INDEX, sealed(templates.get_template("initiative.html.j2").render(c=initiative)))
    overview = Overview(
        home="",
        counts=_counts(ledger),
        ledger=ledger,
        initiatives=initiatives,
        rows=_newest_first(ledger.rows),
        thumbnails=gallery(books.runs),
        written=written,
    )
    files.write(reports / INDEX, sealed(templates.get_template("index.html.j2").render(c=overview)))
    return reports / INDEX


def _initiative(
    books: Books, action: NextAction, rows: list[LedgerRow], found: list[Contradiction], written: str
) -> Initiative:
    """Gather the page of one initiative.

    Args:
        books: all runs and plans.
        action: next action of the initiative, which names it.
        rows: its rows of the ledger.
        found: its contradictions.
        written: time of writing, for the foot of the page.
    """
    runs = books.by_initiative.get(action.initiative, [])
    plan = next((plan for plan in books.plans if plan.path == action.plan), None)
    return Initiative(
        name=action.initiative,
        home="../",
        plan=plan,
        phases=books.phase_states[plan.name] if plan else (),
        action=action,
        rows=_newest_first(rows),
        contradictions=tuple(found),
        curves=timeline.timeline(runs),
        thumbnails=gallery(runs),
        written=written,
    )


def _by_initiative(ledger: Ledger) -> tuple[dict[str, list[LedgerRow]], dict[str, list[Contradiction]]]:
    rows: dict[str, list[LedgerRow]] = {}
    found: dict[str, list[Contradiction]] = {}
    for row in ledger.rows:
        rows.setdefault(row.initiative, []).append(row)
    for contradiction in ledger.contradictions:
        for initiative in {place.split("/")[0] for place in contradiction.places}:
            found.setdefault(initiative, []).append(contradiction)
    return rows, found


def _newest_first(rows: Iterable[LedgerRow]) -> tuple[LedgerRow, ...]:
    return tuple(sorted(rows, key=lambda row: (row.begun, row.stamp, row.place), reverse=True))


def _counts(ledger: Ledger) -> dict[str, int]:
    statuses = Counter(row.status for row in ledger.rows)
    return {"runs": len(ledger.rows), **statuses, "contradictions": len(ledger.contradictions)}
