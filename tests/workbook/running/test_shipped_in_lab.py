"""Every notebook that comes with the package, run as JupyterLab runs it: in its own folder, with nothing given.

``dials/agreement``, which takes minutes, is run by the command alone (``cells/test_agreement.py``).
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
import shipped
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shipped.checkout(tmp_path_factory.mktemp("checkout"))


@pytest.fixture(scope="module")
def kernel(project: Path) -> Iterator[NotebookClient]:
    """One kernel for all, emptied between them: each start would load torch again."""
    first = NotebookClient(nbformat.v4.new_notebook(), extra_arguments=["--IPKernelApp.log_level=40"])
    # Two pools of threads on two cores spend their time waiting.
    with first.setup_kernel(cwd=str(project), env=os.environ | {"OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}):
        yield first


def executed(path: Path, kernel: NotebookClient, **typed: Any) -> Any:
    """A notebook as it is after all of its cells were run, with these values typed into its parameters cell."""
    notebook = nbformat.read(path, as_version=4)
    (cell,) = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", ())]
    for parameter, value in typed.items():
        cell.source, found = re.subn(rf"(?m)^({parameter}: \w+ = )(.*?)(  #)", rf"\g<1>{value!r}\3", cell.source)
        assert found == 1, parameter
    begin = nbformat.v4.new_code_cell(f"%reset -f\nimport os\nos.chdir({str(path.parent)!r})")
    notebook.cells.insert(0, begin)
    client = NotebookClient(notebook, km=kernel.km, timeout=240)
    client.kc = kernel.kc
    client.execute()
    return notebook


#: Notebooks that other tests run by their command.
ELSEWHERE = {"doctor/any_model", "parity/parity", "performance/benchmark", "refine/refine", "triage/suite"}


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.full if name in ELSEWHERE else ())
        for name in sorted(set(shipped.NAMES) - {"dials/agreement"})
    ],
)
def test_a_shipped_notebook_runs_in_its_own_folder(project: Path, kernel: NotebookClient, name: str) -> None:
    path = project / "notebooks" / f"{name}.ipynb"
    notebook = executed(path, kernel, **shipped.SMALL.get(name, {}))
    shipped.check_outputs(notebook)
    assert not list(path.parent.glob("**/2*Z")), "results go to the reports of the project"
    assert list(project.glob("reports/lab/*/2*Z"))


@pytest.mark.parametrize("name", shipped.NAMES)
def test_a_wrong_value_is_told_in_the_first_cell(project: Path, kernel: NotebookClient, name: str) -> None:
    path = project / "notebooks" / f"{name}.ipynb"
    wrong = {"slowest": 0} if name == "triage/suite" else {"dtype": "float16"}
    with pytest.raises(CellExecutionError, match="InputError") as error:
        executed(path, kernel, **wrong)
    ((parameter, value),) = wrong.items()
    assert f"notebook, {parameter}: got {value!r}; allowed: " in error.value.evalue
