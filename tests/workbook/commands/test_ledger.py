import csv
import io
import json
import re
from pathlib import Path

import pytest
from checkouts import make_checkout
from finished import finished, write_plan
from samples import VERDICT

from nanobrag_torch.workbook.commands.app import run_command


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch) -> Path:
    folder = make_checkout(tmp_path / "checkout")
    write_plan(folder)
    monkeypatch.chdir(folder)
    return folder


def call(*words: str) -> int:
    with pytest.raises(SystemExit) as ended:
        run_command(list(words))
    return int(ended.value.code or 0)


def test_the_table_shows_runs_and_what_is_next(checkout: Path, capsys):
    finished(checkout / "reports")
    assert call("ledger") == 0
    out, err = capsys.readouterr()
    assert "phase_a" in out and "passed" in out and err == ""
    assert out.splitlines()[-1] == (
        "2026-01-gradient-flow: Run phase b (Probe): nanobrag-workbook plan run gradient-flow"
    )


def test_data_goes_to_standard_output_alone(checkout: Path, capsys):
    finished(checkout / "reports", dark=7)
    assert call("ledger", "--format", "json") == 1
    out, err = capsys.readouterr()
    assert json.loads(out)["rows"][0]["numbers"]["snapshot.lit_pixels"] == 7
    assert "contradiction (claim) 2026-01-gradient-flow/phase_a/20260115T080000Z" in err
    assert call("ledger", "--format", "csv") == 1
    out, _ = capsys.readouterr()
    (row,) = csv.DictReader(io.StringIO(out))
    assert float(row["snapshot.lit_pixels"]) == 7


def test_reports_of_another_folder_are_indexed_where_they_are(checkout: Path, tmp_path: Path, capsys):
    finished(tmp_path / "elsewhere")
    assert call("index", "--reports", str(tmp_path / "elsewhere")) == 0
    out, _ = capsys.readouterr()
    assert Path(out.strip()) == tmp_path / "elsewhere" / "index.html"
    assert not (checkout / "reports").exists()


@pytest.mark.parametrize("words", [("ledger",), ("index",), ("plan", "status", "gradient-flow")])
def test_a_folder_of_reports_that_is_not_there_is_wrong_input(checkout: Path, tmp_path: Path, capsys, words):
    assert call(*words, "--reports", str(tmp_path / "none")) == 2
    _, err = capsys.readouterr()
    assert "--reports: got" in err and "Check the path" in err and not (tmp_path / "none").exists()


def test_an_unknown_plan_is_wrong_input(checkout: Path, capsys):
    assert call("plan", "status", "gradient-flaw") == 2
    _, err = capsys.readouterr()
    assert "plan, name: got 'gradient-flaw'; allowed: gradient-flow" in err and "Traceback" not in err
    assert call("plan", "run", "gradient-flow", "--stamp", "yesterday") == 2
    assert call("plan", "run", "gradient-flow", "--phase", "z") == 2
    assert not (checkout / "reports").exists()


def test_what_would_act_on_a_terminal_is_shown_as_an_escape(checkout: Path, capsys):
    acting = "\x1b]0;title\x07\x1b[2J\x00\x9b\nledger: all is well"
    finished(checkout / "reports", VERDICT.model_copy(update={"title": acting, "remedy": acting}), initiative="evil")
    (checkout / "plans" / "bell\x07\n.md").write_text("no plan")
    folder = finished(checkout / "reports", stamp="20260115T090000Z")
    (folder / "new\nline\x1b[2J.txt").write_text("x")
    call("ledger")
    call("plan", "status", "gradient-flow")
    call("verify", "reports")
    said = "".join(capsys.readouterr())
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f]", said) and "\\x1b]0;title\\x07" in said
    assert not any(line.startswith(("ledger: all", "line")) for line in said.splitlines())
