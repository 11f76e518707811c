"""The kernel of a notebook: there, of Python, and startable; or named together with those that are."""

import json
import sys
from pathlib import Path

import nbformat
import pytest
from jupyter_client.kernelspec import KernelSpecManager

from nanobrag_torch.workbook.errors import InputError
from nanobrag_torch.workbook.machine import environment
from nanobrag_torch.workbook.notebooks import kernels
from nanobrag_torch.workbook.running.execute import execute
from nanobrag_torch.workbook.running.outcomes import Outcome


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


@pytest.fixture
def system_wide(tmp_path: Path) -> Path:
    """A kernel such as Debian's, of its own Python, under the name of ours, that is found before the environment's."""
    folder = tmp_path / "kernels" / kernels.OWN
    folder.mkdir()
    spec = {
        "argv": ["/usr/bin/python3.0", "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "display_name": "Python 3 (ipykernel)",
        "language": "python",
    }
    (folder / "kernel.json").write_text(json.dumps(spec))
    return folder


def test_our_kernel_is_the_running_python_whatever_the_system_calls_by_its_name(system_wide: Path) -> None:
    assert KernelSpecManager().get_kernel_spec(kernels.OWN).argv[0] == "/usr/bin/python3.0"
    spec = kernels.Specs().get_kernel_spec(kernels.OWN)
    assert spec.argv[0] == sys.executable and "ipykernel_launcher" in spec.argv
    assert kernels.Specs().get_all_specs()[kernels.OWN]["spec"] == spec.to_dict()
    assert kernels.choose(naming(kernels.OWN), "n.ipynb") == kernels.OWN


def test_a_kernel_of_another_name_and_one_of_ours_with_settings_stay_as_they_are(system_wide: Path) -> None:
    assert kernels.Specs().get_kernel_spec("gone").argv == ["/gone/python", "{connection_file}"]
    settled = json.loads((system_wide / "kernel.json").read_text())
    settled |= {"argv": [sys.executable, *settled["argv"][1:]], "env": {"OMP_NUM_THREADS": "1"}}
    (system_wide / "kernel.json").write_text(json.dumps(settled))
    assert kernels.Specs().get_kernel_spec(kernels.OWN).env == {"OMP_NUM_THREADS": "1"}


def test_a_notebook_runs_in_the_running_python_beside_a_kernel_of_the_system(system_wide: Path, tmp_path: Path) -> None:
    notebook = naming(kernels.OWN)
    notebook.cells = [nbformat.v4.new_code_cell("import sys\nprint(sys.executable)")]
    nbformat.write(notebook, tmp_path / "n.ipynb")
    output = tmp_path / "executed.ipynb"
    outcome = execute(
        tmp_path / "n.ipynb", output, {}, environment=environment.of_kernel({}), cwd=tmp_path, timeout=60,
        on_cell=lambda *_: None,
    )  # fmt: skip
    assert outcome == Outcome("completed")
    assert nbformat.read(output, as_version=4).cells[0].outputs[0].text == f"{sys.executable}\n"
