"""Claims of a summary that its records do not bear out, one fault at a time."""

import csv
import io
from pathlib import Path

import pytest
from finished import alter, finished
from samples import VERDICT, working_report

from nanobrag_torch.workbook.ledger import index
from nanobrag_torch.workbook.ledger.claims import Findings, unfounded
from nanobrag_torch.workbook.ledger.ledger import Books
from nanobrag_torch.workbook.records.base import Record, exact
from nanobrag_torch.workbook.records.run import Manifest
from nanobrag_torch.workbook.running.publish import publish


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return finished(tmp_path / "reports")


def claims(folder: Path) -> list[str]:
    manifest = Manifest.model_validate_json((folder / "manifest.json").read_text())
    return list(unfounded(folder, manifest, Findings()))


def rewrite(folder: Path, old: str, new: str) -> None:
    path = folder / "summary.md"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


def test_the_summary_of_a_sound_report_claims_nothing_that_is_not_there(folder: Path) -> None:
    assert claims(folder) == []


@pytest.mark.parametrize("content", [None, b"\xff\xfe\xff"])
def test_a_summary_that_cannot_be_read_is_told(folder: Path, content: bytes | None) -> None:
    (folder / "summary.md").unlink()
    if content is not None:
        (folder / "summary.md").write_bytes(content)
    (claim,) = claims(folder)
    assert claim.startswith("summary.md cannot be read: ")


def test_a_headline_of_another_status_and_finding_is_told(folder: Path) -> None:
    rewrite(folder, "(status `passed`, finding `dark_image`)", "(status `failed`, finding `odd`)")
    assert claims(folder) == ["summary.md says failed, odd; the records say passed, dark_image"]


def test_a_number_that_is_not_in_the_records_is_told(folder: Path) -> None:
    rewrite(folder, "| `control.loss` | 983.25 |", "| `control.loss` | 983.5 |\n| `control.invented` | 1 |")
    assert claims(folder) == [
        "summary.md says control.loss = 983.5; the records say 983.25",
        "summary.md says control.invented = 1; the records say –",
    ]


def test_a_finding_that_its_numbers_do_not_bear_out_is_told_with_the_numbers(tmp_path: Path) -> None:
    (said,) = claims(finished(tmp_path / "reports", dark=3))
    assert said.startswith("the finding dark_image needs snapshot.lit_pixels == 0 and ")
    assert said.endswith("the records say snapshot.lit_pixels = 3")


def test_a_finding_without_the_records_that_it_needs_is_told(tmp_path: Path) -> None:
    folder = finished(tmp_path / "reports", VERDICT.model_copy(update={"code": "option_accepted"}))
    (said,) = claims(folder)
    assert said.startswith(
        "the finding option_accepted needs options.accepted > 0, of key numbers: there is no record 'options'"
    )


class Odd(Record):
    """A record whose key numbers have names that nobody expects."""

    file = "odd.json"
    borne_out_by = {"odd-code.x": "odd['control.loss'] > 1 and odd['a[0]'] > 5"}

    def key_numbers(self):
        names = ("control", "control.loss", "a.gradient.b", "a.gradient", "a", "a[0]", "x|y", "t`k", "=1+1", " ", "")
        return {name: exact(number) for number, name in enumerate(names, start=1)}


def test_key_numbers_may_have_any_names(tmp_path: Path) -> None:
    report = working_report(tmp_path / "reports")
    report.write(Odd())
    folder = publish(report, VERDICT.model_copy(update={"code": "odd-code.x"}), tmp_path)
    assert claims(folder) == []
    rewrite(folder, "| `odd.x\\|y` | 7 |", "| `odd.x\\|y` | 8 |")
    assert any("odd.x|y = 8; the records say 7" in each for each in claims(folder))
    alter(folder / "manifest.json", numbers={"odd.control.loss": {"value": 0.0, "scale": 1.0}})
    assert any("the finding odd-code.x needs odd['control.loss'] > 1" in each for each in claims(folder))
    books = Books(tmp_path / "reports", tmp_path)
    (row,) = csv.DictReader(io.StringIO(books.ledger().csv()))
    assert float(row["odd.control.loss"]) == 0
    index.write(tmp_path / "reports", tmp_path)
