"""A small checkout of its own for a test, with notebooks and a mapped test that take seconds, and the command in it."""

import os
import subprocess
import sys
from pathlib import Path

import nbformat

PROJECT = Path(__file__).parents[1]
BRIEF = PROJECT / "plans" / "gradient-flow" / "brief.txt"
NOTEBOOK = PROJECT / "notebooks" / "gradient_flow" / "phase_a_baseline.ipynb"
#: For sessions on suites of a few lines: to import these plugins takes longer than all else that such a session does.
LEAN = ("-p", "no:hypothesispytest", "-p", "no:anyio")
#: A configuration of pytest with them.
SETTINGS = f"[tool.pytest.ini_options]\naddopts = '--import-mode=importlib {' '.join(LEAN)}'\n"
AS_FOUND = "plans/gradient-flow/test_as_found.py::TestAdvancedGradients::test_gradient_flow_simulation"

_MAIN = "from nanobrag_torch.workbook.commands.main import main; main()"
_TEST = """
class TestAdvancedGradients:
    def test_gradient_flow_simulation(self):
        assert 0.0 > 1e-10, "every gradient with respect to the cell is zero"

    def test_that_passes(self):
        assert 1.0 > 1e-10
"""


def make_checkout(folder: Path) -> Path:
    """A folder that the workbook takes for a checkout: the project's notebook, and a test that fails at once."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pyproject.toml").write_text(SETTINGS)
    for path, text in (
        (folder / "notebooks" / "gradient_flow" / NOTEBOOK.name, NOTEBOOK.read_text()),
        (folder / AS_FOUND.partition("::")[0], _TEST),
    ):
        path.parent.mkdir(parents=True)
        path.write_text(text)
    return folder


def write_notebook(checkout: Path, *cells: str, parameters: str = 'report_folder: str = ""  # where it goes') -> Path:
    """``notebooks/trial/trial.ipynb`` with these code cells after its parameters."""
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(source) for source in (parameters, *cells)],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
    )
    notebook.cells[0].metadata["tags"] = ["parameters"]
    path = checkout / "notebooks" / "trial" / "trial.ipynb"
    path.parent.mkdir(exist_ok=True)
    nbformat.write(notebook, path)
    return path


def start(checkout: Path, *words: str, **environment: str) -> subprocess.Popen[str]:
    """``nanobrag-workbook`` with these words, started in the checkout with these variables as well."""
    return subprocess.Popen(
        [sys.executable, "-c", _MAIN, *words],
        cwd=checkout,
        env=os.environ | {"COLUMNS": "400"} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(checkout: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """``nanobrag-workbook`` with these words, to its end."""
    process = start(checkout, *words)
    out, err = process.communicate(timeout=240)
    return subprocess.CompletedProcess(words, process.returncode, out, err)


def only_report(checkout: Path) -> Path:
    """The folder of the one finished report in the checkout."""
    (report,) = checkout.glob("reports/*/*/2*Z")
    return report
