"""Places: where a project is, and what is found in it or comes with the package."""

import os
from pathlib import Path

import pytest

from nanobrag_torch.workbook import project
from nanobrag_torch.workbook.errors import InputError


def folders(base: Path, *names: str) -> Path:
    """Folders below ``base``; each that is called plans holds one."""
    for name in names:
        (base / name).mkdir(parents=True, exist_ok=True)
        if name.endswith("plans"):
            (base / name / "one.md").touch()
    return base


@pytest.mark.parametrize(
    ("there", "start", "expected"),
    [
        (("p/notebooks", "p/plans", "p/plans/x"), "p/plans/x", "p"),
        (("p/reports", "p/plans"), "p", "p"),
        (("p/notebooks/deep",), "p/notebooks/deep", "p"),
        (("p/reports/a/b",), "p/reports/a", "p"),
        (("p/elsewhere",), "p/elsewhere", "p/elsewhere"),
        (("home/reports", "home/plans/x", "home/work"), "home/work", "home/work"),
        (("reports", "p/sub"), "p/sub", "p/sub"),
        (("p/plans", "p/reports", "p/sub/notebooks/a", "p/sub/plans"), "p/sub/notebooks/a", "p/sub"),
    ],
)
def test_the_root_is_the_nearest_folder_that_is_kept_as_a_project(
    tmp_path: Path, there: tuple[str, ...], start: str, expected: str
) -> None:
    folders(tmp_path, *there)
    assert project.root(tmp_path / start) == tmp_path / expected


def test_notebooks_beside_a_pyproject_make_a_root(tmp_path: Path) -> None:
    folders(tmp_path, "notebooks", "src/deep")
    assert project.root(tmp_path / "src" / "deep") == tmp_path / "src" / "deep"
    (tmp_path / "pyproject.toml").touch()
    assert project.root(tmp_path / "src" / "deep") == tmp_path


def test_a_notebook_is_found_by_path_name_and_last_word(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    own = folders(tmp_path, "notebooks/mine") / "notebooks" / "mine" / "fit.ipynb"
    own.write_text("{}")
    shipped = project.shipped() / "notebooks" / "doctor" / "scenario.ipynb"
    assert project.notebook(own, tmp_path) == own
    for name in ("mine/fit", "fit", "notebooks/mine/fit.ipynb", "fit.ipynb"):
        assert project.notebook(name, tmp_path).samefile(own)
    for name in ("doctor/scenario", "scenario", "notebooks/doctor/scenario.ipynb"):
        assert project.notebook(name, tmp_path) == shipped


def test_a_notebook_of_the_project_stands_in_for_a_shipped_one_of_its_name(tmp_path: Path) -> None:
    own = folders(tmp_path, "notebooks/doctor") / "notebooks" / "doctor" / "scenario.ipynb"
    own.write_text("{}")
    (own.parent / ".ipynb_checkpoints").mkdir()
    (own.parent / ".ipynb_checkpoints" / "other.ipynb").write_text("{}")
    assert project.notebook("scenario", tmp_path) == own
    assert not any("other" in name for name in project.notebooks(tmp_path))


@pytest.mark.parametrize(
    ("name", "said"),
    [("scenari", "The nearest: doctor/scenario"), ("zzz", "notebooks. Check"), ("x.ipynb", "got 'x.ip")],
)
def test_a_notebook_that_is_not_there_is_refused_with_the_nearest(tmp_path: Path, name: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        project.notebook(name, tmp_path)


def test_of_several_notebooks_of_one_name_the_full_names_are_offered(tmp_path: Path) -> None:
    for room in ("one", "two"):
        (folders(tmp_path, f"notebooks/{room}") / "notebooks" / room / "fit.ipynb").write_text("{}")
    with pytest.raises(InputError, match="The nearest: one/fit, two/fit"):
        project.notebook("fit", tmp_path)


def test_a_file_of_an_investigation_that_the_project_has_is_not_replaced_by_a_shipped_one(tmp_path: Path) -> None:
    test = "plans/gradient-flow/test_as_found.py"
    assert project.find(test, tmp_path) == project.shipped() / test
    folders(tmp_path, "plans/gradient-flow")
    assert project.find(test, tmp_path) == tmp_path / test
    assert project.find("tests/test_x.py", tmp_path) == tmp_path / "tests" / "test_x.py"


def test_a_path_is_shown_from_where_it_is_kept(tmp_path: Path) -> None:
    assert project.shown(tmp_path / "notebooks" / "a.ipynb", tmp_path) == "notebooks/a.ipynb"
    assert project.shown(project.shipped() / "plans" / "gradient-flow.md", tmp_path) == "plans/gradient-flow.md"
    assert project.shown(Path("/elsewhere/a.ipynb"), tmp_path) == "a.ipynb"


def test_what_lies_within_a_report_is_no_project(tmp_path: Path) -> None:
    report = folders(tmp_path, "notebooks", "reports/x/stamp/notebooks", "reports/x/stamp/plans") / "reports/x/stamp"
    (report / "manifest.json").write_text("{}")
    assert project.root(report) == project.root(report / "plans") == tmp_path
    alone = folders(tmp_path / "mail", "sent/notebooks", "sent/plans") / "sent"
    (alone / "manifest.json").write_text("{}")
    assert project.root(alone) == tmp_path


@pytest.mark.timeout(10)
def test_a_pipe_among_the_notebooks_is_none(tmp_path: Path) -> None:
    (tmp_path / "notebooks").mkdir()
    os.mkfifo(tmp_path / "notebooks" / "pipe.ipynb")
    assert "pipe" not in project.notebooks(tmp_path)
    with pytest.raises(InputError, match=r"pipe\.ipynb"):
        project.notebook(tmp_path / "notebooks" / "pipe.ipynb", tmp_path)


def test_the_outermost_report_around_a_path_is_found_though_its_manifest_is_a_link(tmp_path: Path) -> None:
    inner = tmp_path / "report" / "copy" / "figures"
    inner.mkdir(parents=True)
    assert project.report_around(inner) is None
    (inner.parent / "manifest.json").write_text("{}")
    assert project.report_around(inner) == inner.parent
    (tmp_path / "report" / "manifest.json").symlink_to("nowhere")
    assert project.report_around(inner) == tmp_path / "report"
    assert project.root(inner) == tmp_path
