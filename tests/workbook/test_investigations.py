"""Code of an investigation: found, loaded anew for each project, and shown with its own last line where it fails."""

from pathlib import Path

import pytest

from nanobrag_torch.workbook.errors import InputError
from nanobrag_torch.workbook.investigations import import_failure, investigation
from nanobrag_torch.workbook.records import catalogue


@pytest.fixture
def plans(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """``plans/`` of an empty project that is the working folder."""
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "plans").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path / "plans"


def write(plans: Path, name: str, **modules: str) -> None:
    (plans / name).mkdir(exist_ok=True)
    for module, text in modules.items():
        (plans / name / f"{module}.py").write_text(text)


def test_files_of_a_folder_import_each_other(plans: Path) -> None:
    write(
        plans,
        "fold-over",
        model="from .helper import twice\n\nfour = twice(2)\n",
        helper="def twice(x): return 2 * x\n",
    )
    assert investigation("fold-over", "model").four == 4


def test_the_same_name_in_another_project_is_another_investigation(
    plans: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(plans, "shared-name", model="where = 'first'\n")
    assert investigation("shared-name", "model").where == "first"
    other = tmp_path / "other"
    (other / "plans").mkdir(parents=True)
    (other / "notebooks").mkdir()
    write(other / "plans", "shared-name", model="where = 'second'\n")
    monkeypatch.chdir(other)
    assert investigation("shared-name", "model").where == "second"


def test_an_investigation_of_the_package_is_there_without_a_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert investigation("gradient-flow", "records").Audit.file == "audit.json"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = 1\ny = unknown\n", r"model\.py cannot be imported: line 2 of model\.py: NameError: .*'unknown'"),
        ("x = (\n", r"line 1 of model\.py: SyntaxError: "),
        ("from .helper import gone\n", r"line 1 of model\.py: ImportError: "),
        ("import json\njson.loads('{')\n", r"line 2 of model\.py: json\.decoder\.JSONDecodeError: "),
        ("import sys\nsys.exit(0)\n", r"line 2 of model\.py: SystemExit: 0"),
        ("import no_such_package\n", r"ModuleNotFoundError: No module named 'no_such_package'"),
    ],
)
def test_a_module_that_fails_is_shown_with_its_own_last_line(plans: Path, text: str, said: str) -> None:
    write(plans, "failing", model=text, helper="")
    with pytest.raises(InputError, match=said):
        investigation("failing", "model")


def test_a_file_that_is_not_there_is_named(plans: Path) -> None:
    with pytest.raises(InputError, match=r"got 'plans/nothing/model\.py'"):
        investigation("nothing", "model")


def test_records_that_fail_are_told_and_the_others_are_loaded(plans: Path) -> None:
    write(
        plans,
        "good-records",
        records="from nanobrag_torch.workbook import Record\n\n\nclass Good(Record):\n    file = 'good_one.json'\n",
    )
    write(
        plans, "bad-records", records="from nanobrag_torch.workbook import Record\n\n\nclass Bad(Record):\n    pass\n"
    )
    write(
        plans,
        "taken-records",
        records="from nanobrag_torch.workbook import Record\n\n\nclass V(Record):\n    file = 'verdict.json'\n",
    )
    problems = catalogue.problems(plans.parent)
    assert [problem.partition(" ")[0] for problem in problems] == [
        "plans/bad-records/records.py",
        "plans/taken-records/records.py",
    ]
    assert "Bad names no file" in problems[0] and "'verdict.json' belongs to" in problems[1]
    assert "good_one.json" in catalogue.kinds()


def test_an_error_from_elsewhere_has_no_place() -> None:
    assert import_failure(ValueError("late")) == "ValueError: late"


def test_what_a_module_prints_does_not_spoil_the_output_of_a_command(
    plans: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(plans, "talking", records="print('hello')\n")
    assert catalogue.problems(plans.parent) == ()
    said = capsys.readouterr()
    assert said.out == "" and "hello" in said.err


def test_a_module_that_fails_halfway_leaves_no_record_behind(plans: Path) -> None:
    text = "from nanobrag_torch.workbook import Record\n\n\nclass Half(Record):\n    file = 'half_way.json'\n\n\n"
    write(plans, "half-way", records=text + "raise ValueError\n")
    (problem,) = catalogue.problems(plans.parent)
    assert "line 8 of records.py: ValueError" in problem and "half_way.json" not in catalogue.kinds()


def test_a_hidden_folder_is_no_investigation(plans: Path) -> None:
    write(plans, ".hidden", records="raise ValueError\n")
    assert catalogue.problems(plans.parent) == ()


def test_names_that_differ_in_punctuation_are_different_investigations(plans: Path) -> None:
    names = ["same-name", "same_name", "same.name"]
    for name in names:
        write(plans, name, model=f"name = {name!r}\n")
    modules = [investigation(name, "model") for name in names]
    assert [module.name for module in modules] == names


def test_investigations_may_share_a_file_name_and_each_file_is_of_the_kind_that_reads_it(plans: Path) -> None:
    record = "from nanobrag_torch.workbook import Record\n\n\nclass Fit(Record):\n    file = 'shared_fit.json'\n\n"
    for name, field in (("one-fit", "width"), ("two-fit", "height")):
        write(plans, name, records=f"{record}    {field}: float\n")
    assert catalogue.problems(plans.parent) == ()
    file = plans / "shared_fit.json"
    for text, field in (('{"width": 1}', "width"), ('{"height": 1}', "height")):
        file.write_text(text)
        kind = catalogue.kind_of(file)
        assert kind is not None and set(kind.model_fields) == {field}
    file.write_text('{"depth": 1}')
    assert catalogue.kind_of(file) is None


def test_records_are_those_of_the_project_that_is_asked_for_wherever_the_command_runs(
    plans: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "from nanobrag_torch.workbook import Record\n\n\nclass Far(Record):\n    file = 'far_away.json'\n"
    write(plans, "far-records", records=text)
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "notebooks").mkdir(parents=True)
    (elsewhere / "reports").mkdir()
    monkeypatch.chdir(elsewhere)
    assert catalogue.problems(tmp_path) == ()
    assert "far_away.json" in catalogue.declared(tmp_path)
    assert investigation("far-records", "records", tmp_path).Far.file == "far_away.json"
    with pytest.raises(InputError, match="far-records"):
        investigation("far-records", "records")
