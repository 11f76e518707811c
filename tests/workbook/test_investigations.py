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
