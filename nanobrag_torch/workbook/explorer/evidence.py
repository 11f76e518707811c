"""Evidence of an explored state: its scenario as a file, and the ordinary runner's report on it."""

import os
import subprocess
import sys
from pathlib import Path

from nanobrag_torch.scenario import Scenario
from nanobrag_torch.workbook import project
from nanobrag_torch.workbook.errors import Blocked
from nanobrag_torch.workbook.explorer.description import save
from nanobrag_torch.workbook.report.folder import new_stamp

#: Folder below the project for scenarios of states that evidence was taken of.
FOLDER = "explored"
_COMMAND = "from nanobrag_torch.workbook.commands.main import main; main()"


def take_evidence(scenario: Scenario, hkl: Path | None = None, mapped_test: str = "") -> Path:
    """Run ``nanobrag-workbook doctor`` on a scenario, in a process of its own.

    Args:
        scenario: the scenario; its file is kept in ``explored`` below the root of the project.
        hkl: file of its structure factors.
        mapped_test: a pytest id that runs beside the diagnosis; empty for none.

    Returns:
        The page of the report.

    Raises:
        InputError: something in the scenario has no place in a file.
        Blocked: no report was made; the message is the command's.
    """
    root = project.root()
    file = root / FOLDER / f"{new_stamp()}.json"
    file.parent.mkdir(exist_ok=True)
    save(scenario, file, hkl)
    words = [sys.executable, "-c", _COMMAND, "doctor", str(file)]
    words += ["--mapped-test", mapped_test] if mapped_test else []
    done = subprocess.run(words, cwd=root, env=_plain_environment(), capture_output=True, text=True)
    page = root / (done.stdout.strip().splitlines() or [""])[-1]
    if not page.is_file():
        raise Blocked(f"No report was made. {(done.stderr.strip().splitlines() or ['It said nothing'])[-1]}")
    return page


def _plain_environment() -> dict[str, str]:
    """Environment without what belongs to the kernel that asks."""
    return {name: value for name, value in os.environ.items() if name not in ("JPY_PARENT_PID", "MPLBACKEND")}
