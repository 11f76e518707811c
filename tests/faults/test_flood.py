"""Output that no page could hold."""

import json

import pytest
from faults import tally, trials

from nanobrag_torch.workbook.running.execute import LONGEST_OUTPUT

_MIB = 2**20


@pytest.mark.dose(few=8, full=100)
def test_a_cell_that_prints_without_end_leaves_a_page_that_opens(tmp_path, amount):
    flood = f"for _ in range({amount}): print('<b>flood</b>' * ({_MIB} // 13))"
    checkout = trials.checkout(tmp_path / "checkout", flood, "print('after')")
    with tally.Trial("output without end") as trial:
        code, said = trials.run(trial, checkout, "run", trials.NOTEBOOK)
        assert code == 0, said
        assert trials.check(checkout, trial) == ["passed"]
    (report,) = trials.reports(checkout)
    text = (report / "notebook.ipynb").read_text()
    assert "flood" in text and f"more than {LONGEST_OUTPUT} characters" in text
    assert json.loads(text)["cells"][-1]["outputs"][0]["text"] == ["after\n"]
    assert sum(path.stat().st_size for path in report.rglob("*")) < 10 * LONGEST_OUTPUT


@pytest.mark.dose(few=8, full=100)
def test_a_log_that_is_huge_is_kept_whole_while_the_page_shows_its_beginning(tmp_path, amount):
    checkout = trials.checkout(
        tmp_path / "checkout",
        "from nanobrag_torch.workbook import Report, mapped_test\nreport = Report.attach(report_folder)",
        "mapped_test.run(report, 'test_loud.py', '-q', 200).status",
    )
    (checkout / "test_loud.py").write_text(
        f"def test_loud():\n    for _ in range({amount}): print('<b>flood</b>' * ({_MIB} // 13))\n    assert 0\n"
    )
    with tally.Trial("output without end") as trial:
        code, said = trials.run(trial, checkout, "run", trials.NOTEBOOK)
        assert code == 0, said
        assert trials.check(checkout, trial) == ["passed"]
    (report,) = trials.reports(checkout)
    assert (report / "pytest.log").stat().st_size > amount * _MIB * 0.9
    page = (report / "report.html").read_text()
    assert "&lt;b&gt;flood" in page and len(page) < 10 * LONGEST_OUTPUT
