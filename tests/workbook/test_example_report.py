"""The report that is kept in the repository as an example: whole, sound, and fit to be opened from there."""

import pytest
from checkouts import PROJECT
from chromium import document, needs_browser

from nanobrag_torch.workbook.ledger.contradictions import contradictions
from nanobrag_torch.workbook.plans.header import read as read_plan
from nanobrag_torch.workbook.plans.progress import phase_state
from nanobrag_torch.workbook.report import verify as verification
from nanobrag_torch.workbook.report.archive import scan

EXAMPLE = PROJECT / "docs" / "example-report"
#: Small enough for a repository, in bytes.
LARGEST = 1_000_000


def test_the_example_is_as_its_manifest_says_and_contradicts_nothing():
    (folder,) = verification.folders(EXAMPLE)
    assert verification.verify(folder) == []
    (run,) = scan(EXAMPLE)
    assert run.folder == folder and run.status == "passed" and run.manifest.numbers
    assert contradictions([run]) == []
    assert run.manifest.repository.dirty is False


def test_the_example_meets_the_exit_criteria_of_its_phase():
    (run,) = scan(EXAMPLE)
    plan = read_plan("gradient-flow", PROJECT)
    (phase,) = [phase for phase in plan.header.phases if phase.folder == run.phase]
    step = phase_state(phase, run)
    assert step.state == "done" and len(step.criteria) == len(phase.exit)


def test_the_example_is_small_and_names_no_place_on_the_machine_that_made_it():
    files = [path for path in EXAMPLE.rglob("*") if path.is_file()]
    assert 0 < sum(path.stat().st_size for path in files) < LARGEST
    for path in files:
        if path.suffix not in (".png",):
            text = path.read_text()
            assert "/home/" not in text and "/tmp/" not in text and "/root/" not in text, path


@pytest.mark.browser
@needs_browser
def test_the_example_opens_from_the_repository():
    (run,) = scan(EXAMPLE)
    seen = document(run.folder / "report.html")
    assert run.manifest.verdict.answer in seen and seen.count("data:image/") >= 2
