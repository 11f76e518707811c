"""Notebooks that come with the package, run by the command.

Those of the plan are run by ``make report``, ``doctor/scenario`` in ``commands/test_doctor.py``, ``refine/refine``
in ``commands/test_refine.py``, ``parity/parity`` in ``parity/test_cases.py``, ``dials/agreement`` in
``cells/test_agreement.py``, and ``sweep/sweep`` in ``test_shipped_in_lab.py``.
"""

from pathlib import Path

import nbformat
import pytest
import shipped
from in_process import run_here
from markupsafe import escape

from nanobrag_torch.workbook.records.run import Manifest
from nanobrag_torch.workbook.report.verify import verify
from nanobrag_torch.workbook.show.drawing import PREVIEW_TYPE
from nanobrag_torch.workbook.show.tables import OPENING_TYPE

ELSEWHERE = (
    *(name for name in shipped.NAMES if name.startswith("gradient_flow/")), "dials/agreement", "doctor/scenario",
    "parity/parity", "refine/refine", "sweep/sweep",
)  # fmt: skip


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shipped.checkout(tmp_path_factory.mktemp("checkout"))


@pytest.mark.parametrize("name", sorted(set(shipped.NAMES) - set(ELSEWHERE)))
def test_a_shipped_notebook_runs_by_the_command(project: Path, name: str) -> None:
    given = [word for each in shipped.SMALL.get(name, {}).items() for word in ("-p", *map(str, each))]
    done = run_here(project, "run", name, *given, "--reports", f"reports/{name}")
    assert done.returncode in (0, 1) and "Traceback" not in done.stderr, done.stderr
    (report,) = project.glob(f"reports/{name}/*/*/2*Z")
    assert verify(report) == []
    executed = nbformat.read(report / "notebook.ipynb", as_version=4)
    shipped.check_outputs(executed)
    verdict = Manifest.model_validate_json((report / "manifest.json").read_bytes()).verdict
    page = (report / "report.html").read_text()
    assert verdict.code not in ("completed", "cell_raised") and str(project) not in page
    (opening,) = (out.data for out in shipped.outputs(executed) if OPENING_TYPE in out.get("data", {}))
    assert opening[OPENING_TYPE] == {"final": True} and opening["text/plain"].startswith(verdict.opening)
    previews = [out.data for out in shipped.outputs(executed) if PREVIEW_TYPE in out.get("data", {})]
    assert all(str(escape(data["text/plain"])) not in page for data in previews)
    # A page begins with the answer, so what the notebook shows near its top, as one text, is not in it again.
    assert str(escape(opening["text/plain"])) not in page and str(escape(verdict.opening)) in page
