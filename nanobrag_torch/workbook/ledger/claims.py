"""Claims of a report's summary, held against the numbers of its records."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nanobrag_torch.workbook import files
from nanobrag_torch.workbook.errors import InputError
from nanobrag_torch.workbook.formatting import number
from nanobrag_torch.workbook.plans.expressions import CannotEvaluate, Expression
from nanobrag_torch.workbook.records import catalogue
from nanobrag_torch.workbook.records.run import Manifest
from nanobrag_torch.workbook.report.archive import nested
from nanobrag_torch.workbook.report.folder import SUMMARY
from nanobrag_torch.workbook.show.markdown import span

_HEADLINE = re.compile(r"^\*\*.*\*\* \(status (`+.+?`+), finding (`+.+`+)\)$", re.MULTILINE)
#: Codes of the doctor, which any investigation may conclude with.
_OF_THE_DOCTOR = re.compile(r"[A-Z]\d{1,2}|healthy")
#: A row of key numbers: the name as a code span, the value, and since manifests state them, error bar and unit.
_NUMBER_ROW = re.compile(r"^\| (`+.+`+) \| (\S+) \|(?: \S+ \| [^|\n]*\|)?$", re.MULTILINE)


class Findings:
    """Needs of findings by their codes, read once for all runs that are looked at."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[list[Expression], list[str]]] = {}

    def of(self, code: str) -> tuple[list[Expression], list[str]]:
        """Expressions that a finding needs, and faults of those that are none."""
        if code not in self._known:
            claims, faults = self._known[code] = ([], [])
            for text in catalogue.claims(code):
                try:
                    claims.append(Expression.parse(text, f"finding {code}"))
                except InputError as error:
                    faults.append(str(error))
        return self._known[code]


def unfounded(folder: Path, manifest: Manifest, findings: Findings) -> Iterator[str]:
    """Claims of ``summary.md`` in ``folder`` that differ from the manifest or that its numbers do not bear out."""
    try:
        text = files.read_text(folder / SUMMARY)
    except files.Unreadable as error:
        yield f"{SUMMARY} cannot be read: {error}"
        return
    headline = _HEADLINE.search(text)
    verdict = manifest.verdict
    true = (manifest.status, verdict.code)
    shown = headline.groups() if headline else ("nothing", "nothing")
    said = true if shown == tuple(map(span, true)) else tuple(each.strip("`") for each in shown)
    if said != true:
        yield f"{SUMMARY} says {said[0]}, {said[1]}; the records say {manifest.status}, {verdict.code}"
    for row, value in _NUMBER_ROW.findall(text):
        known = manifest.numbers.get(row.strip("`"))
        if known is not None and number(known.value) == value:
            continue
        # A name that has blanks or ticks of its own is not what stands between the ticks.
        meant = {name: number(entry.value) for name, entry in manifest.numbers.items() if span(name) == row}
        if value not in meant.values():
            name, other = next(iter(meant.items()), (row.strip("`"), number(None)))
            yield f"{SUMMARY} says {name} = {value}; the records say {other}"
    claims, faults = findings.of(said[1])
    yield from faults
    yield from _finding(said[1], claims, nested(manifest.numbers))


def _finding(code: str, claims: list[Expression], numbers: dict[str, Any]) -> Iterator[str]:
    """Fault of a finding that the key numbers, nested by record, do not bear out."""
    # Another investigation may have a finding of that name, about records that this run does not have.
    concerned = [claim for claim in claims if claim.records & numbers.keys()]
    if not concerned and not _OF_THE_DOCTOR.fullmatch(code):
        concerned = claims
    if not concerned:
        return
    claim = next((claim for claim in concerned if claim.records <= numbers.keys()), concerned[0])
    try:
        borne_out = claim.evaluate(numbers)
    except CannotEvaluate as error:
        yield f"the finding {code} needs {claim.text}, of key numbers: {error}"
        return
    if not borne_out.holds:
        seen = ", ".join(f"{name} = {number(value)}" for name, value in borne_out.seen.items())
        yield f"the finding {code} needs {claim.text}; the records say {seen}"
