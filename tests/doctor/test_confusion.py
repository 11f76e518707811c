"""Confusion of causes built in with causes called: none is missed, no healthy gradient is accused."""

import json
from collections import Counter
from pathlib import Path

import pytest
from doctor.cases import CASES
from doctor.healthy import draw

from nanobrag_torch.doctor import RULES, diagnose

DRAWN = 60
PAGE = Path(__file__).parents[2] / "docs" / "doctor.md"


def place(code):
    """Codes in the order of their letters and numbers, the healthy last."""
    return ("ZSNWD".find(code[0]) % 9, int(code[1:]) if code[1:].isdigit() else 0)


def table(counts):
    """The confusion table as Markdown: a row for each cause that was built in, and what the doctor called it."""
    lines = ["| built in | parameters | called |", "|---|---|---|"]
    for code in sorted({built for built, _ in counts}, key=place):
        found = {called: n for (built, called), n in counts.items() if built == code}
        lines.append(f"| {code} | {sum(found.values())} | {', '.join(f'{c}: {n}' for c, n in sorted(found.items()))} |")
    return "\n".join(lines)


@pytest.fixture(scope="module")
def counts(tmp_path_factory):
    found = Counter((case.code, case.found.verdict.code) for case in CASES)
    for seed in range(DRAWN):
        found.update(("healthy", code) for code in diagnose(draw(seed)).codes.values())
    rows = [{"built in": built, "called": called, "count": n} for (built, called), n in found.items()]
    (tmp_path_factory.getbasetemp() / "confusion.json").write_text(json.dumps(rows, indent=2))
    return found


def test_no_cause_is_taken_for_another(counts):
    assert {pair: n for pair, n in counts.items() if pair[0] != pair[1]} == {}
    assert sum(n for (built, _), n in counts.items() if built == "healthy") == 2 * DRAWN


def test_the_page_shows_this_table(counts, record_testsuite_property):
    shown = table(counts)
    record_testsuite_property("confusion", shown)
    assert shown in PAGE.read_text(encoding="utf-8"), f"put this table into {PAGE.name}:\n{shown}"


def test_the_page_explains_every_code():
    page = PAGE.read_text(encoding="utf-8")
    assert [rule.code for rule in RULES if f"| {rule.code} | {rule.severity} | {rule.title} |" not in page] == []
