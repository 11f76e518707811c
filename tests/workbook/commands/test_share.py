import zipfile
from pathlib import Path

import pytest
from finished import finished

from nanobrag_torch.workbook.commands.app import run_command


@pytest.fixture
def reports(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path / "reports"


def call(*words: object) -> int:
    with pytest.raises(SystemExit) as ended:
        run_command([str(word) for word in words])
    return int(ended.value.code or 0)


def test_verify_looks_at_every_report_below_a_folder(reports: Path, capsys):
    sound, changed = finished(reports), finished(reports, stamp="20260115T090000Z")
    assert call("verify", reports) == 0
    (changed / "pytest.log").write_text("added")
    assert call("verify", reports) == 1
    out, err = capsys.readouterr()
    assert f"{sound}: every file is as the manifest says" in out
    assert f"{changed}: pytest.log is not in the manifest" in err
    assert call("verify", reports / "nowhere") == 2


def test_compare_writes_a_page_and_says_whether_numbers_differ(reports: Path, tmp_path: Path, capsys):
    first, same = finished(reports), finished(reports, stamp="20260115T090000Z")
    other = finished(reports, lit=10, stamp="20260115T100000Z")
    assert call("compare", first, same) == 0
    *table, page = capsys.readouterr().out.splitlines()
    assert page == "comparison.html"
    assert any("±" in line and "per Å" in line for line in table)
    assert call("compare", first, other, "--output", tmp_path / "page.html") == 1
    assert "1 of 16 numbers differ" in (tmp_path / "page.html").read_text()
    assert call("compare", first, other, "--output", tmp_path / "no" / "page.html") == 2
    assert call("compare", first, reports) == 2


def test_export_names_its_zip_after_the_run(reports: Path, tmp_path: Path, capsys):
    folder = finished(reports)
    assert call("export", folder) == 0
    name = capsys.readouterr().out.strip()
    assert name == "2026-01-gradient-flow_phase_a_20260115T080000Z.zip" and (tmp_path / name).is_file()
    assert call("export", folder) == 2
    assert call("export", folder, "--output", "page.html") == 0
    assert (tmp_path / "page.html").read_bytes() == (folder / "report.html").read_bytes()
    (folder / "summary.md").write_text("All is well.")
    assert call("export", folder, "--output", "changed.zip") == 3
    assert not (tmp_path / "changed.zip").exists()


def test_export_makes_a_crate_with_the_person_of_gits_configuration(reports: Path, tmp_path: Path, monkeypatch, capsys):
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    (tmp_path / "gitconfig").write_text("[user]\nname = Ada Lovelace\nemail = ada@example.org\n")
    folder = finished(reports)
    assert call("export", folder, "--crate") == 2
    assert "SPDX identifier" in capsys.readouterr().err
    assert call("export", folder, "--licence", "MIT") == 2
    assert list(tmp_path.glob("*.zip")) == []
    assert call("export", folder, "--crate", "--licence", "MIT", "--output", "crate.zip") == 0
    with zipfile.ZipFile(tmp_path / "crate.zip") as archive:
        text = archive.read("ro-crate-metadata.json").decode()
    assert '"Ada Lovelace"' in text and "https://spdx.org/licenses/MIT" in text
