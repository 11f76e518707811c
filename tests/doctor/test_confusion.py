"""Confusion of causes built in with causes called: none is missed, no healthy gradient is accused."""

import json
import re
from collections import Counter
from pathlib import Path

import pytest
from doctor.cases import CASES
from doctor.healthy import draw

from nanobrag_torch.doctor import CODES, RULES, diagnose

#: Words of torch about models that are wrong on purpose.
pytestmark = [
    pytest.mark.filterwarnings("ignore:To copy construct from a tensor"),
    pytest.mark.filterwarnings("ignore:Converting a tensor with requires_grad=True"),
]

#: Healthy scenarios that are drawn: some in every run of the tests, all that the page counts with --cases full.
DRAWN = {"few": 5, "full": 60}
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
def drawn(request):
    return DRAWN[request.config.getoption("--cases")]


@pytest.fixture(scope="module")
def counts(drawn, tmp_path_factory):
    found = Counter((case.code, case.found.verdict.code) for case in CASES)
    for seed in range(drawn):
        found.update(("healthy", code) for code in diagnose(draw(seed)).codes.values())
    rows = [{"built in": built, "called": called, "count": n} for (built, called), n in found.items()]
    (tmp_path_factory.getbasetemp() / "confusion.json").write_text(json.dumps(rows, indent=2))
    return found


def test_no_cause_is_taken_for_another(counts, drawn):
    assert {pair: n for pair, n in counts.items() if pair[0] != pair[1]} == {}
    assert sum(n for (built, _), n in counts.items() if built == "healthy") == 2 * drawn


def test_the_page_shows_this_table(counts, drawn, record_testsuite_property):
    # Where fewer are drawn than the page counts, its row of the healthy is this one, that many times.
    times = DRAWN["full"] // drawn
    shown = table({pair: n * (times if pair[0] == "healthy" else 1) for pair, n in counts.items()})
    record_testsuite_property("confusion", shown)
    assert shown in PAGE.read_text(encoding="utf-8"), f"put this table into {PAGE.name}:\n{shown}"


def test_the_page_explains_every_code():
    page = PAGE.read_text(encoding="utf-8")
    assert [rule.code for rule in RULES if f"| {rule.code} | {rule.severity} | {rule.title} |" not in page] == []


def entries():
    """Text of every code's entry, by code."""
    page = PAGE.read_text(encoding="utf-8")
    parts = re.split(r"^##+ (?:(\w+) — [^{]+ \{#(\w+)\})?.*$", page, flags=re.MULTILINE)
    found = {code: text for code, anchor, text in zip(*(parts[i::3] for i in (1, 2, 3)), strict=True) if code}
    assert all(code.lower() == anchor for code, anchor in zip(parts[1::3], parts[2::3], strict=True) if code)
    return found


def test_every_code_has_an_entry_with_meaning_evidence_and_remedy():
    found = entries()
    assert set(found) == {*CODES, "unexamined"}
    for code, text in found.items():
        assert re.findall(r"^\*\*(\w+)\.\*\* \S", text, re.MULTILINE) == ["Meaning", "Evidence", "Remedy"], code


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.code} {case.title}")
def test_the_evidence_of_a_verdict_is_named_in_the_entry_of_its_code(case):
    entry = " ".join(entries()[case.code].split())
    assert [key for key in case.found.verdict.evidence if f"`{key}`" not in entry] == []


def test_the_page_that_starts_from_symptoms_leads_to_entries_that_exist():
    page = (PAGE.parent / "your-gradient-is-zero.md").read_text(encoding="utf-8")
    linked = re.findall(r"\[(\w+)\]\(doctor\.md#(\w+)\)", page)
    assert {code for code, _ in linked} >= {code for code in CODES if code != "healthy"}
    assert all(code.lower() == anchor for code, anchor in linked)
