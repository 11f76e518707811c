"""Contradictions of runs with each other or within themselves: a table of rules over manifests."""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from nanobrag_torch.workbook.formatting import number
from nanobrag_torch.workbook.ledger.claims import Findings, unfounded
from nanobrag_torch.workbook.records.run import Manifest
from nanobrag_torch.workbook.report.archive import Run
from nanobrag_torch.workbook.report.folder import in_the_future, stamp_of


class Contradiction(BaseModel):
    """Something that cannot be true as it stands: its kind, the folders concerned, and a sentence."""

    model_config = ConfigDict(frozen=True)

    kind: str
    places: tuple[str, ...]
    what: str


def contradictions(runs: Iterable[Run]) -> list[Contradiction]:
    """Every contradiction among and within ``runs``, rule by rule."""
    listed = list(runs)
    return [found for rule in RULES for found in rule(listed)]


def _not_a_stamp(runs: list[Run]) -> Iterator[Contradiction]:
    for run in runs:
        if not run.stamped:
            yield _one("not a stamp", run, f"the folder is called {run.stamp!r}; a stamp is UTC as YYYYmmddTHHMMSSZ")


def _stamped_too_late(runs: list[Run]) -> Iterator[Contradiction]:
    for run in runs:
        if run.stamped and in_the_future(run.stamp):
            yield _one("stamp", run, f"its stamp lies in the future; it counts as begun {_when(run)}")
        elif run.stamped and run.manifest and (end := _stamp(run.manifest.finished)) and run.stamp > end:
            yield _one("stamp", run, f"its stamp is later than its end, {run.manifest.finished}")


def _when(run: Run) -> str:
    return f"at {run.begun}" if run.begun else "before all others"


def _stamp(time: str) -> str:
    try:
        return stamp_of(datetime.fromisoformat(time))
    except (ValueError, OverflowError):
        return ""


def _unreadable(runs: list[Run]) -> Iterator[Contradiction]:
    for run in runs:
        if run.status == "unreadable":
            yield _one("unreadable", run, run.problem)


def _misplaced(runs: list[Run]) -> Iterator[Contradiction]:
    for run, manifest in _finished(runs):
        said = (manifest.initiative, manifest.phase, manifest.stamp)
        if said != (run.initiative, run.phase, run.stamp):
            yield _one("misplaced", run, f"its manifest belongs to {'/'.join(said)}")


def _another_environment(runs: list[Run]) -> Iterator[Contradiction]:
    for run, manifest in _finished(runs):
        for name, asked, seen in _environment(manifest):
            if asked != seen:
                yield _one("environment", run, f"{name}: {asked!r} was asked for, the kernel saw {seen!r}")


def _environment(manifest: Manifest) -> Iterator[tuple[str, Any, Any]]:
    """Triples of a setting: its name, the value asked for, the value that the kernel saw."""
    seen = manifest.environment
    if seen is None:
        return
    for name, asked in manifest.guards.items():
        yield name, asked, seen.guards.get(name)
    observed = {"device": seen.device.split(":")[0], "dtype": seen.dtype, "seed": seen.seeds.get("torch")}
    for name, value in observed.items():
        if name in manifest.parameters:
            yield name, manifest.parameters[name].value, value


def _other_numbers(runs: list[Run]) -> Iterator[Contradiction]:
    """Repetitions with other numbers; each is held against the first run of its kind, so that work grows linearly."""
    alike: dict[str, list[tuple[Run, Manifest]]] = defaultdict(list)
    for run, manifest in _finished(runs):
        if manifest.repository.commit is not None and manifest.numbers:
            alike[_same_question(manifest)].append((run, manifest))
    for (first, reference), *repetitions in alike.values():
        for run, manifest in repetitions:
            different = list(_different(reference, manifest))
            if different:
                yield Contradiction(
                    kind="numbers",
                    places=(first.place, run.place),
                    what=f"same notebook, parameters and commit{_unless(reference, manifest)}; {'; '.join(different)}",
                )


def _same_question(manifest: Manifest) -> str:
    values = {name: parameter.value for name, parameter in manifest.parameters.items()}
    return json.dumps([manifest.notebook_sha256, manifest.repository.commit, values], sort_keys=True)


def _unless(*manifests: Manifest) -> str:
    dirty = any(manifest.repository.dirty for manifest in manifests)
    return " (with uncommitted changes)" if dirty else ""


def _different(one: Manifest, other: Manifest) -> Iterator[str]:
    for name in sorted(one.numbers.keys() & other.numbers.keys()):
        if one.numbers[name].differs(other.numbers[name]):
            yield f"{name} is {number(one.numbers[name].value)} and {number(other.numbers[name].value)}"


def _unfounded_claims(runs: list[Run]) -> Iterator[Contradiction]:
    findings = Findings()
    for run, manifest in _finished(runs):
        for claim in unfounded(run.folder, manifest, findings):
            yield _one("claim", run, claim)


def _finished(runs: list[Run]) -> Iterator[tuple[Run, Manifest]]:
    return ((run, run.manifest) for run in runs if run.manifest is not None)


def _one(kind: str, run: Run, what: str) -> Contradiction:
    return Contradiction(kind=kind, places=(run.place,), what=what)


#: The rules, in the order in which their findings are listed.
RULES: tuple[Callable[[list[Run]], Iterator[Contradiction]], ...] = (
    _other_numbers,
    _unfounded_claims,
    _another_environment,
    _misplaced,
    _not_a_stamp,
    _stamped_too_late,
    _unreadable,
)
