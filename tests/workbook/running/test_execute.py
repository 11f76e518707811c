import os
import signal
from pathlib import Path

import nbformat
import pytest
from checkouts import make_checkout, write_notebook

from nanobrag_torch.workbook.machine import environment
from nanobrag_torch.workbook.running.execute import KERNEL_LOG, Attendance, execute
from nanobrag_torch.workbook.running.outcomes import Outcome, of_outcome


class Executed:
    """One execution of a notebook with these cells, and what it left."""

    def __init__(
        self, folder: Path, *cells: str, timeout: int = 60, guards: dict[str, str] | None = None, interrupt_at: str = ""
    ) -> None:
        project = make_checkout(folder / "project")
        self.output = folder / "result {of} it" / "notebook.ipynb"
        self.output.parent.mkdir()
        self.told: list[tuple[int, int, str]] = []
        self.lines: list[str] = []
        self.interrupt_at = interrupt_at
        self.outcome: Outcome = execute(
            write_notebook(project, *cells),
            self.output,
            {"report_folder": "somewhere"},
            environment=environment.of_kernel(guards or {}),
            cwd=project,
            timeout=timeout,
            on_cell=lambda *what: self.told.append(what),
            attendance=Attendance(self._hear, lambda: self.lines.append("interrupted")) if interrupt_at else None,
        )
        self.log = self.output.with_name(KERNEL_LOG).read_text()

    def _hear(self, line: str) -> None:
        """Press Ctrl-C at the line that was agreed upon."""
        self.lines.append(line)
        if line == self.interrupt_at:
            os.kill(os.getpid(), signal.SIGINT)

    @property
    def texts(self) -> list[str]:
        cells = nbformat.read(self.output, as_version=4).cells
        return ["".join(output.get("text", "") for output in cell.get("outputs", [])) for cell in cells]


def test_a_notebook_runs_with_its_parameters_in_its_folder_under_its_guards(tmp_path: Path) -> None:
    os.environ.pop("CUDA_VISIBLE_DEVICES", None)
    run = Executed(
        tmp_path,
        "import os\nprint(report_folder, os.path.basename(os.getcwd()))",
        "print(os.environ['CUDA_VISIBLE_DEVICES'], 'KMP_DUPLICATE_LIB_OK' in os.environ)",
        guards={"CUDA_VISIBLE_DEVICES": "-1"},
    )
    assert run.outcome == Outcome("completed")
    assert run.texts[2:] == ["somewhere project\n", "-1 False\n"]
    assert "CUDA_VISIBLE_DEVICES" not in os.environ
    assert [what[:2] for what in run.told] == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_an_executed_notebook_names_no_place_on_this_machine(tmp_path: Path) -> None:
    run = Executed(tmp_path, "x = 1")
    assert str(tmp_path) not in run.output.read_text()


def test_a_cell_that_raises_is_recorded_with_its_error_and_ends_the_run(tmp_path: Path) -> None:
    run = Executed(tmp_path, "print('before')", "raise ValueError('wrong <b>cell</b>')", "print('after')")
    assert run.outcome == Outcome("raised", "ValueError", "wrong <b>cell</b>", 4)
    assert "before\n" in run.texts and "after\n" not in run.texts
    assert "wrong <b>cell</b>" in run.output.read_text()


def test_a_kernel_that_dies_says_how_and_with_which_last_words(tmp_path: Path) -> None:
    run = Executed(tmp_path, "print('before')", "import os\nos.write(2, b'last words')\nos._exit(7)")
    assert run.outcome == Outcome("died", detail="the kernel ended with exit code 7", cell=4)
    assert "before\n" in run.texts and run.log == "last words"


def test_a_kernel_that_is_killed_is_told_from_one_that_ends(tmp_path: Path) -> None:
    run = Executed(tmp_path, "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)")
    assert run.outcome.end == "died" and "SIGKILL" in run.outcome.detail and "memory" in run.outcome.detail


def test_a_kernel_that_crashes_is_told_by_its_signal(tmp_path: Path) -> None:
    run = Executed(tmp_path, "import ctypes\nctypes.string_at(0)")
    assert run.outcome == Outcome("died", detail="the kernel was ended by SIGSEGV", cell=3)


def test_a_cell_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    run = Executed(tmp_path, "print('before', flush=True)", "import time\ntime.sleep(600)", timeout=2)
    assert run.outcome == Outcome("timeout", detail="a cell took longer than 2 s", cell=4)
    assert "before\n" in run.texts


def test_progress_tells_the_nearest_heading(tmp_path: Path) -> None:
    project = make_checkout(tmp_path / "project")
    notebook = write_notebook(project, "x = 1")
    content = nbformat.read(notebook, as_version=4)
    content.cells.insert(1, nbformat.v4.new_markdown_cell("# Title\n\nText\n\n## The cell"))
    nbformat.write(content, notebook)
    told: list[tuple[int, int, str]] = []
    execute(
        notebook, tmp_path / "n.ipynb", {}, environment=dict(os.environ), cwd=project, timeout=60,
        on_cell=lambda *what: told.append(what),
    )  # fmt: skip
    assert told[-1] == (3, 3, "The cell")


def test_a_kernel_that_does_not_exist_is_reported(tmp_path: Path) -> None:
    project = make_checkout(tmp_path / "project")
    notebook = write_notebook(project, "x = 1")
    content = nbformat.read(notebook, as_version=4)
    content.metadata.kernelspec.name = "no-such-kernel"
    nbformat.write(content, notebook)
    outcome = execute(
        notebook, tmp_path / "n.ipynb", {}, environment=dict(os.environ), cwd=project, timeout=60,
        on_cell=pytest.fail,
    )  # fmt: skip
    assert outcome.end == "no kernel" and "no-such-kernel" in outcome.detail


_WAITING = """
import time
try:
    print("waiting", flush=True)
    time.sleep(60)
except KeyboardInterrupt:
    print("kept")
"""


def test_the_first_interruption_ends_the_cell_and_what_it_prints_is_told(tmp_path: Path) -> None:
    run = Executed(tmp_path, _WAITING, "print('after')", interrupt_at="waiting")
    assert run.outcome == Outcome("completed")
    assert run.lines == ["waiting", "interrupted", "kept", "after"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_cell_that_cannot_be_interrupted_well_ends_the_run_as_interrupted(tmp_path: Path) -> None:
    cell = "import time\nprint('waiting', flush=True)\ntime.sleep(60)"
    run = Executed(tmp_path, cell, "print('after')", interrupt_at="waiting")
    assert (run.outcome.end, run.outcome.error) == ("raised", "KeyboardInterrupt")
    verdict = of_outcome(run.outcome)
    assert verdict is not None and verdict.status == "interrupted" and "after\n" not in run.texts
