import zipfile
from pathlib import Path

import pytest
from finished import alter, finished

from nanobrag_torch.workbook.errors import Blocked, InputError
from nanobrag_torch.workbook.report import verify as verification
from nanobrag_torch.workbook.report.export import export, name


def test_a_zip_holds_the_report_and_verifies_where_it_is_unpacked(tmp_path: Path):
    folder = finished(tmp_path / "reports")
    assert name(folder, ".zip") == "2026-01-gradient-flow_phase_a_20260115T080000Z.zip"
    target = export(folder, tmp_path / "report.zip")
    with zipfile.ZipFile(target) as archive:
        archive.extractall(tmp_path / "unpacked")
    (unpacked,) = (tmp_path / "unpacked").iterdir()
    assert unpacked.name == "2026-01-gradient-flow_phase_a_20260115T080000Z"
    assert verification.verify(unpacked) == []
    assert (unpacked / "report.html").read_bytes() == (folder / "report.html").read_bytes()


def test_the_same_report_gives_the_same_bytes(tmp_path: Path):
    folder = finished(tmp_path / "reports")
    first, second = (export(folder, tmp_path / f"{number}.zip").read_bytes() for number in (1, 2))
    assert first == second


def test_the_page_alone_can_be_exported(tmp_path: Path):
    folder = finished(tmp_path / "reports")
    assert export(folder, tmp_path / "x.html").read_bytes() == (folder / "report.html").read_bytes()


def test_a_changed_report_is_not_sent_on(tmp_path: Path):
    folder = finished(tmp_path / "reports")
    (folder / "summary.md").write_text("All is well.")
    with pytest.raises(Blocked, match=r"summary\.md was changed\. It is not exported"):
        export(folder, tmp_path / "x.zip")
    assert not (tmp_path / "x.zip").exists()


def test_nothing_is_overwritten_and_other_forms_are_refused(tmp_path: Path):
    folder = finished(tmp_path / "reports")
    (tmp_path / "x.zip").write_text("mine")
    with pytest.raises(InputError, match="does not exist yet"):
        export(folder, tmp_path / "x.zip")
    assert (tmp_path / "x.zip").read_text() == "mine"
    with pytest.raises(InputError, match=r"allowed: \.zip or \.html"):
        export(folder, tmp_path / "x.tar")


@pytest.mark.parametrize("initiative", ["../../elsewhere", "/etc", "..", "two\nlines", "C:\\x", "é" * 300])
def test_a_manifest_sends_an_export_nowhere_else(tmp_path: Path, initiative: str):
    folder = finished(tmp_path / "reports")
    alter(folder / "manifest.json", initiative=initiative, stamp="../s")
    (place,) = {entry.partition("/")[0] for entry in zipfile.ZipFile(export(folder, tmp_path / "x.zip")).namelist()}
    assert name(folder, ".zip") == f"{place}.zip"
    assert set(place) & set("/\\:\n") == set() and not place.startswith(".") and 0 < len(place.encode()) <= 200
