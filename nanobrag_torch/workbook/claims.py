"""What the summary of a report claims, held against the numbers of its records."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nanobrag_torch.workbook.display import number
from nanobrag_torch.workbook.expressions import CannotEvaluate, Expression
from nanobrag_torch.workbook.page import SUMMARY
from nanobrag_torch.workbook.records import Manifest
from nanobrag_torch.workbook.runs import nested

#: What must be true of the key numbers where a run has that finding.
BORNE_OUT_BY: dict[str, str] = {
    "dark_image": "snapshot.lit_pixels == 0 and snapshot.loss == 0 and control.lit_pixels > 0",
    "healthy": "snapshot.lit_pixels > 0 and control.lit_pixels > 0",
    "hollow_checks_repaired": "audit.as_found.hollow > 0 and audit.repaired.hollow == 0",
    "option_accepted": "options.accepted > 0",
    "repair_verified": "verified.lit_pixels > 0 and verified.smallest_cancellation >= verified.floor",
}

_HEADLINE = re.compile(r"^\*\*.*\*\* \(status `(\w+)`, finding `(\w+)`\)$", re.MULTILINE)
_NUMBER_ROW = re.compile(r"^\| `([\w.]+)` \| (\S+) \|$", re.MULTILINE)


def unfounded(folder: Path, manifest: Manifest) -> Iterator[str]:
    """The claims of ``summary.md`` in ``folder`` that differ from the manifest or that its numbers do not bear out."""
    try:
        text = (folder / SUMMARY).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        yield f"{SUMMARY} cannot be read"
        return
    headline = _HEADLINE.search(text)
    said = headline.groups() if headline else ("nothing", "nothing")
    verdict = manifest.verdict
    if said != (manifest.status, verdict.code):
        yield f"{SUMMARY} says {said[0]}, {said[1]}; the records say {manifest.status}, {verdict.code}"
    for name, value in _NUMBER_ROW.findall(text):
        known = manifest.numbers.get(name)
        if known is None or number(known.value) != value:
            yield f"{SUMMARY} says {name} = {value}; the records say {number(known.value if known else None)}"
    yield from _finding(said[1], nested(manifest.numbers))


def _finding(code: str, numbers: dict[str, Any]) -> Iterator[str]:
    claim = BORNE_OUT_BY.get(code)
    if claim is None:
        return
    try:
        borne_out = Expression.parse(claim, f"finding {code}").evaluate(numbers)
    except CannotEvaluate as error:
        yield f"the finding {code} needs {claim}: {error}"
        return
    if not borne_out.holds:
        seen = ", ".join(f"{name} = {number(value)}" for name, value in borne_out.seen.items())
        yield f"the finding {code} needs {claim}; the records say {seen}"
