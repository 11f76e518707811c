"""The kernel of a notebook: there, of Python, and startable; or named together with those that are."""

import json
from pathlib import Path

import nbformat
import pytest

from nanobrag_torch.workbook.errors import InputError
from nanobrag_torch.workbook.notebooks import kernels


@pytest.fixture(autouse=True)
def others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel of R, one whose Python is gone, and one that could start."""
    for name, language, program in (("ir", "R", "R"), ("gone", "python", "/gone/python"), ("good", "python", "sh")):
        folder = tmp_path / "kernels" / name
        folder.mkdir(parents=True)
        (folder / "kernel.json").write_text(
            json.dumps({"argv": [program, "{connection_file}"], "display_name": name, "language": language})
        )
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))


def naming(name: str, language: str = "python"):
    kernel = {"name": name, "display_name": name, "language": language} if name else {}
    return nbformat.v4.new_notebook(metadata={"kernelspec": kernel} if kernel else {})


@pytest.mark.parametrize(
    ("name", "asked", "chosen"),
    [("python3", None, "python3"), ("", None, "python3"), ("gone", "python3", "python3"), ("python3", "good", "good")],
)
def test_the_choice_goes_before_the_notebook_and_ours_is_taken_where_none_is_named(
    name: str, asked: str | None, chosen: str
) -> None:
    assert kernels.choose(naming(name), "n.ipynb", asked) == chosen


@pytest.mark.parametrize(
    ("name", "language", "asked", "said"),
    [
        ("conda-env-gone-py", "python", None, "n.ipynb, kernel: got 'conda-env-gone-py'"),
        ("python3", "python", "nosuch", "n.ipynb, --kernel: got 'nosuch'"),
        ("gone", "python", None, "'/gone/python' is not"),
        ("ir", "R", None, "got 'ir (R)'; allowed: a kernel of Python"),
        ("julia-1.9", "julia", None, "got 'julia-1.9 (julia)'; allowed: a kernel of Python"),
        ("python3", "python", "ir", "got 'ir (R)'; allowed: a kernel of Python"),
    ],
)
def test_a_kernel_that_cannot_run_it_is_named_with_those_that_can(
    name: str, language: str, asked: str | None, said: str
) -> None:
    with pytest.raises(InputError) as error:
        kernels.choose(naming(name, language), "n.ipynb", asked)
    assert said in str(error.value)
    assert "Kernels here: gone, good, python3. Choose one with run --kernel NAME, or in JupyterLab." in str(error.value)
