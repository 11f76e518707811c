import csv
import io
import json
from pathlib import Path

import pytest
from finished import alter, finished, write_plan
from samples import VERDICT, working_report

from nanobrag_torch.workbook import files
from nanobrag_torch.workbook.ledger.ledger import Books, Ledger, LedgerRow
from nanobrag_torch.workbook.records.run import ParameterValue, Process, Repository
from nanobrag_torch.workbook.report.folder import this_process

HEALTHY = VERDICT.model_copy(update={"code": "healthy", "title": "The gradients are right"})


def ledger_of(root: Path):
    return Books(root / "reports", root).ledger()


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    return tmp_path / "reports"


def test_every_run_has_a_row_with_verdict_and_key_numbers(reports: Path, tmp_path: Path):
    finished(reports)
    (row,) = ledger_of(tmp_path).rows
    assert (row.initiative, row.phase, row.stamp) == ("2026-01-gradient-flow", "phase_a", "20260115T080000Z")
    assert (row.status, row.finding, row.title) == ("passed", "dark_image", "The image was dark")
    assert row.numbers["control.loss"] == 983.25 and row.numbers["snapshot.lit_pixels"] == 0
    assert row.numbers["control.gradient.cell_a"] == 3.5
    assert row.commit == "c0ffee" and row.seconds is not None and row.seconds > 0
    assert row.contradictions == 0


def test_sound_runs_contradict_nothing(reports: Path, tmp_path: Path):
    finished(reports)
    finished(reports, stamp="20260115T090000Z")
    finished(reports, HEALTHY, dark=10, stamp="20260115T100000Z", notebook_sha256="1" * 64)
    assert ledger_of(tmp_path).contradictions == ()


def test_same_parameters_and_commit_with_other_numbers_are_flagged(reports: Path, tmp_path: Path):
    finished(reports, lit=256)
    finished(reports, lit=255, stamp="20260115T090000Z")
    finished(
        reports, lit=254, stamp="20260115T100000Z", repository=Repository(commit="beef", branch="main", dirty=False)
    )
    other = {"cell_a": ParameterValue(value=101.0, unit="Å", source="plan")}
    finished(reports, lit=253, stamp="20260115T110000Z", parameters=other)
    (found,) = ledger_of(tmp_path).contradictions
    assert found.kind == "numbers"
    assert [place.rpartition("/")[2] for place in found.places] == ["20260115T080000Z", "20260115T090000Z"]
    assert "control.lit_pixels is 256 and 255" in found.what and "uncommitted" not in found.what
    assert [row.contradictions for row in ledger_of(tmp_path).rows] == [1, 1, 0, 0]


def test_uncommitted_changes_are_told_with_the_numbers_that_differ(reports: Path, tmp_path: Path):
    state = Repository(commit="c0ffee", branch="main", dirty=True, changed=("x.py",))
    finished(reports, lit=256, repository=state)
    finished(reports, lit=255, repository=state, stamp="20260115T090000Z")
    (found,) = ledger_of(tmp_path).contradictions
    assert "(with uncommitted changes)" in found.what


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("finding `dark_image`", "finding `healthy`", "says passed, healthy; the records say passed, dark_image"),
        ("status `passed`", "status `failed`", "says failed, dark_image; the records say passed"),
        ("| `control.loss` | 983.25 |", "| `control.loss` | 984.25 |", "control.loss = 984.25; the records say 983.25"),
        ("| `control.loss` |", "| `control.gain` |", "control.gain = 983.25; the records say –"),
        ("**The image was dark**", "The image", "says nothing, nothing"),
    ],
)
def test_a_claim_in_a_summary_that_differs_from_the_records_is_flagged(
    reports: Path, tmp_path: Path, old: str, new: str, said: str
):
    summary = finished(reports) / "summary.md"
    assert old in summary.read_text()
    summary.write_text(summary.read_text().replace(old, new))
    found = ledger_of(tmp_path).contradictions
    assert {each.kind for each in found} == {"claim"}
    assert any(said in each.what for each in found)


def test_a_finding_that_the_numbers_do_not_bear_out_is_flagged(reports: Path, tmp_path: Path):
    finished(reports, dark=7)
    finished(reports, HEALTHY, stamp="20260115T090000Z", notebook_sha256="1" * 64)
    first, second = ledger_of(tmp_path).contradictions
    assert "snapshot.lit_pixels = 7" in first.what and first.kind == "claim"
    assert "finding healthy needs snapshot.lit_pixels > 0" in second.what


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"guards": {"CUDA_VISIBLE_DEVICES": "0"}}, "CUDA_VISIBLE_DEVICES: '0' was asked for, the kernel saw '-1'"),
        ({"guards": {"KMP_DUPLICATE_LIB_OK": "TRUE"}}, "the kernel saw None"),
        ({"parameters": {"device": ("cuda", "")}}, "device: 'cuda' was asked for, the kernel saw 'cpu'"),
        ({"parameters": {"dtype": ("float32", "")}}, "dtype: 'float32' was asked for"),
        ({"parameters": {"seed": (3, "")}}, "seed: 3 was asked for, the kernel saw 0"),
    ],
)
def test_an_environment_that_is_not_what_was_asked_for_is_flagged(reports: Path, tmp_path: Path, changes, said):
    values = {
        name: ParameterValue(value=value, unit=unit, source="plan")
        for name, (value, unit) in changes.pop("parameters", {}).items()
    }
    finished(reports, parameters=values, **changes)
    (found,) = ledger_of(tmp_path).contradictions
    assert found.kind == "environment" and said in found.what


def test_folders_that_are_no_runs_are_flagged(reports: Path, tmp_path: Path):
    sound = finished(reports)
    moved = sound.with_name("latest")
    finished(reports, stamp="20260115T090000Z").rename(moved)
    (sound.parent / "20261399T000000Z").mkdir()
    damaged = finished(reports, stamp="20260115T100000Z")
    (damaged / "manifest.json").write_text("{}")
    found = {(each.kind, each.places[0].rpartition("/")[2]) for each in ledger_of(tmp_path).contradictions}
    assert found == {
        ("not a stamp", "latest"), ("misplaced", "latest"), ("not a stamp", "20261399T000000Z"),
        ("unreadable", "20261399T000000Z"), ("unreadable", "20260115T100000Z"),
    }  # fmt: skip


def test_a_plan_that_says_more_than_its_runs_is_flagged(reports: Path, tmp_path: Path):
    plan = write_plan(tmp_path)
    plan.write_text(plan.read_text().replace('title = "Baseline"', 'title = "Baseline"\nstate = "done"'))
    (found,) = ledger_of(tmp_path).contradictions
    assert "says that phase a is done; its runs say open" in found.what
    finished(reports)
    assert ledger_of(tmp_path).contradictions == ()
    plan.write_text(plan.read_text().replace('focus = "', 'state = "closed"\nfocus = "', 1))
    (found,) = ledger_of(tmp_path).contradictions
    assert "is closed; not done: b" in found.what
    plan.write_text("no plan")
    (found,) = ledger_of(tmp_path).contradictions
    assert found.kind == "plan" and "plans/gradient-flow.md" in found.what


def test_runs_that_have_not_ended_are_told_from_killed_ones(reports: Path, tmp_path: Path):
    working_report(reports)
    dead = Process(pid=2**22 - 1, started=1.0, host=this_process().host)
    working_report(reports, stamp="20260115T090000Z", process=dead)
    assert [(row.stamp, row.status) for row in ledger_of(tmp_path).rows] == [
        ("20260115T080000Z", "running"),
        ("20260115T090000Z", "killed"),
    ]


def test_the_next_action_follows_the_plan(reports: Path, tmp_path: Path):
    write_plan(tmp_path)

    def action() -> str:
        (only,) = ledger_of(tmp_path).next_actions
        assert (only.initiative, only.plan) == ("2026-01-gradient-flow", "plans/gradient-flow.md")
        return only.action

    assert action() == "Run phase a (Baseline): nanobrag-workbook plan run gradient-flow"
    finished(reports)
    assert action().startswith("Run phase b (Probe)")
    finished(reports, lit=0, phase="phase_b")
    assert "phase b (Probe) failed (control.loss > 1 does not hold: control.loss = 0)" in action()
    finished(reports, phase="phase_b", stamp="20260115T090000Z")
    assert 'set state = "closed"' in action()


def test_an_initiative_without_a_plan_has_the_remedy_of_its_last_run(reports: Path, tmp_path: Path):
    finished(reports, VERDICT.model_copy(update={"remedy": "Old."}), initiative="unplanned")
    later = VERDICT.model_copy(update={"remedy": "Give it structure factors."})
    finished(reports, later, stamp="20260115T090000Z", initiative="unplanned")
    (only,) = ledger_of(tmp_path).next_actions
    assert (only.plan, only.action) == (None, "Give it structure factors.")


def test_a_plan_of_the_package_that_ran_here_is_what_its_initiative_follows(reports: Path, tmp_path: Path):
    finished(reports)
    (only,) = ledger_of(tmp_path).next_actions
    assert only.plan == "plans/gradient-flow.md" and "phase b1" in only.action


def test_csv_has_a_column_for_every_number_and_no_formula(reports: Path, tmp_path: Path):
    finished(reports, VERDICT.model_copy(update={"title": '=HYPERLINK("http://x")'}))
    (row,) = csv.DictReader(io.StringIO(ledger_of(tmp_path).csv()))
    assert row["title"] == '\'=HYPERLINK("http://x")'
    assert float(row["control.loss"]) == 983.25 and row["status"] == "passed"


def test_every_row_has_the_parameters_of_its_run(reports: Path, tmp_path: Path):
    given = {
        "N_cells": ParameterValue(value=[5, 6, 7], unit="cells", source="plan"),
        "mapped_test": ParameterValue(value="=x", unit="", source="command line"),
    }
    finished(reports, parameters=given)
    finished(reports, stamp="20260115T090000Z", parameters={})
    found = ledger_of(tmp_path)
    assert [row.parameters for row in found.rows] == [{"N_cells": [5, 6, 7], "mapped_test": "=x"}, {}]
    first, second = csv.DictReader(io.StringIO(found.csv()))
    assert (first["parameter N_cells"], first["parameter mapped_test"]) == ("5 6 7", "'=x")
    assert (second["parameter N_cells"], second["parameter mapped_test"]) == ("", "")
    assert json.loads(found.model_dump_json())["rows"][0]["parameters"]["N_cells"] == [5, 6, 7]


def test_json_has_rows_actions_and_contradictions(reports: Path, tmp_path: Path):
    finished(reports, dark=7)
    data = json.loads(ledger_of(tmp_path).model_dump_json())
    assert data["rows"][0]["numbers"]["snapshot.lit_pixels"] == 7
    assert len(data["contradictions"]) == 1 and len(data["next_actions"]) == 1


def test_the_work_grows_with_the_number_of_runs_and_reads_two_files_of_each(reports: Path, tmp_path: Path, monkeypatch):
    for hour in range(12):
        finished(reports, stamp=f"20260115T{hour:02d}0000Z", initiative="unplanned")
    asked: list[str] = []
    read = files.read
    monkeypatch.setattr(files, "read", lambda path, *a: asked.append(path.name) or read(path, *a))
    assert len(ledger_of(tmp_path).rows) == 12
    of_runs = sorted(name for name in asked if name != "gradient-flow.md")
    assert of_runs == ["manifest.json"] * 12 + ["summary.md"] * 12


def test_a_number_changed_behind_the_manifest_changes_nothing_in_the_ledger(reports: Path, tmp_path: Path):
    folder = finished(reports)
    alter(folder / "control.json", loss=1.0)
    (row,) = ledger_of(tmp_path).rows
    assert row.numbers["control.loss"] == 983.25


def test_in_csv_no_text_and_no_name_is_a_formula_and_a_negative_number_stays_one(reports: Path, tmp_path: Path):
    row = LedgerRow(
        initiative="@sum", phase="+1+1", stamp="-x", begun="", place="\t=1", status="-1.5e-3", finding="=1",
        title="＝1", sentence="sound", commit=None, dirty=None, seconds=-2.5, contradictions=0,
        numbers={"=cmd|' /C calc'!A0": -3.5, "-loss": 1.0, "a.b": 0.0},
    )  # fmt: skip
    head, values = csv.reader(io.StringIO(Ledger(rows=(row,), next_actions=(), contradictions=()).csv()))
    cells = dict(zip(head, values, strict=True))
    assert {name for name in head if name.startswith(("=", "+", "-", "@"))} == set()
    assert (cells["'=cmd|' /C calc'!A0"], cells["'-loss"], cells["a.b"]) == ("-3.5", "1.0", "0.0")
    assert [cells[name] for name in ("initiative", "phase", "stamp", "place", "finding", "title")] == [
        "'@sum", "'+1+1", "'-x", "'\t=1", "'=1", "'＝1",
    ]  # fmt: skip
    assert (cells["status"], cells["seconds"], cells["sentence"]) == ("-1.5e-3", "-2.5", "sound")


def test_runs_are_ordered_by_their_start_and_a_stamp_of_the_future_is_flagged(reports: Path, tmp_path: Path):
    write_plan(tmp_path)
    finished(reports, lit=0, stamp="20990101T000000Z", started="2026-01-15T08:00:00+00:00")
    finished(reports, stamp="20260116T080000Z", started="2026-01-16T08:00:00+00:00")
    books = Books(reports, tmp_path)
    assert [run.stamp for run in books.runs] == ["20990101T000000Z", "20260116T080000Z"]
    first = next(iter(books.phase_states.values()))[0]
    assert (first.state, first.run.stamp) == ("done", "20260116T080000Z")
    flagged = [each for each in books.ledger().contradictions if each.kind == "stamp"]
    assert [each.what for each in flagged] == ["its stamp lies in the future; it counts as begun at 20260115T080000Z"]


def test_a_folder_with_a_stamp_of_the_future_and_nothing_in_it_hides_no_run(reports: Path, tmp_path: Path):
    write_plan(tmp_path)
    sound = finished(reports)
    sound.with_name("20990101T000000Z").mkdir()
    books = Books(reports, tmp_path)
    assert next(iter(books.phase_states.values()))[0].run.stamp == "20260115T080000Z"
    kinds = {each.kind: each.what for each in books.ledger().contradictions}
    assert kinds["stamp"] == "its stamp lies in the future; it counts as begun before all others"


def test_a_stamp_that_is_later_than_the_end_of_its_run_is_flagged(reports: Path, tmp_path: Path):
    alter(finished(reports) / "manifest.json", finished="2026-01-14T08:00:00+00:00")
    (found,) = ledger_of(tmp_path).contradictions
    assert (found.kind, found.what) == ("stamp", "its stamp is later than its end, 2026-01-14T08:00:00+00:00")
