"""Execution of a notebook by papermill in a kernel process of its own: guarded environment, limits, known ends."""

import os
import signal
from collections.abc import Callable, Mapping
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nanobrag_torch.workbook.notebooks.format import nbformat  # before papermill, which would load all of it

# isort: split
from jupyter_client.kernelspec import NoSuchKernel
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import NBClientEngine, papermill_engines
from papermill.iorw import load_notebook_node
from papermill.parameterize import parameterize_notebook

from nanobrag_torch.workbook import files
from nanobrag_torch.workbook.machine.family import family
from nanobrag_torch.workbook.machine.limits import Crossed, Limits, usual, watching
from nanobrag_torch.workbook.machine.signals import handing_on
from nanobrag_torch.workbook.notebooks import kernels, reading, source
from nanobrag_torch.workbook.running import whole_messages
from nanobrag_torch.workbook.running.outcomes import Outcome
from nanobrag_torch.workbook.running.warm import WarmProvisioner

#: Terminal output of the kernel process itself: the last words of one that crashes.
KERNEL_LOG = "kernel.log"
#: Characters that a cell may print into its notebook; the rest is left out, and the notebook says so.
LONGEST_OUTPUT = 2_000_000
_LEFT_OUT = f"\n[this cell printed more than {LONGEST_OUTPUT} characters: the rest is left out]\n"
_ENGINE = "nanobrag-guarded"
_START_TIMEOUT_S = 120
#: A kernel warns of its transport at every start; only errors are worth keeping.
_ERRORS_ONLY = "--IPKernelApp.log_level=40"
#: Lets a text with half a character, such as a file name of another encoding, leave the kernel; only ours has it.
_WHOLE_MESSAGES = f"--Session.packer={whole_messages.__name__}.pack"

#: Called before each cell with its number from 1, the number of cells, and the nearest heading above it.
CellCallback = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Attendance:
    """A person who waits for a run at a terminal.

    Attributes:
        on_line: called with each line that a cell prints.
        on_interrupt: called after the first Ctrl-C, which interrupts the cell alone: one that can ends well, with what
            it has. A second ends the run.
    """

    on_line: Callable[[str], None]
    on_interrupt: Callable[[], None]


class _Raised(Exception):
    """A cell raised an error that it is not tagged to raise; ``cell`` is its number from 1."""

    def __init__(self, error: CellExecutionError, cell: int) -> None:
        super().__init__(str(error))
        self.name, self.detail, self.cell = source.writable(error.ename), source.writable(error.evalue), cell


class _Client(PapermillNotebookClient):
    """Client of a kernel that keeps it within limits, and ends everything that it started."""

    attendance: Attendance | None = None
    interrupted: bool = False

    def run_guarded(self, environment: Mapping[str, str], cwd: Path, log: Path, limits: Limits, warm: bool) -> None:
        """Execute the notebook in a kernel with that environment, in ``cwd``, its terminal output going to ``log``.

        Args:
            warm: fork the kernel, where it can be.

        Raises:
            Crossed: the kernel, with all that it started, took more than ``limits``.
        """
        self._printed: dict[int, int] = {}
        self.km = self.create_kernel_manager()
        self.km.kernel_spec_manager = kernels.Specs()
        if kernels.is_own(self.km.kernel_spec.argv[0]):
            self.extra_arguments.append(_WHOLE_MESSAGES)
        if warm:
            self.km.provisioner = WarmProvisioner(
                kernel_id=self.km.kernel_id, kernel_spec=self.km.kernel_spec, parent=self.km
            )
        with family(environment) as own:
            with log.open("ab") as stream:
                try:
                    self.start_new_kernel(cwd=str(cwd), env=own.environment, stdout=stream, stderr=stream)
                except OSError as error:
                    raise RuntimeError(f"{self.kernel_name}: {error.strerror or error}") from error
            own.lead(self.km.provisioner.pid)
            with watching(own, limits):
                self.execute()

    def process_message(self, msg: dict[str, Any], cell: Any, cell_index: int) -> Any:
        """Take what a cell gives in characters that can be written, and what it prints up to a bearable length."""
        if self.interrupted and self.attendance is not None:
            self.interrupted = False
            self.attendance.on_interrupt()
        msg["content"] = source.writable(msg["content"])
        if msg["msg_type"] == "stream":
            printed = self._printed.get(cell_index, 0)
            text = msg["content"]["text"]
            self._printed[cell_index] = printed + len(text)
            if printed + len(text) > LONGEST_OUTPUT:
                msg["content"]["text"] = _LEFT_OUT if printed <= LONGEST_OUTPUT else ""
            elif self.attendance is not None:
                for line in text.splitlines():
                    self.attendance.on_line(line)
        return super().process_message(msg, cell, cell_index)

    def papermill_execute_cells(self) -> None:
        """Execute the cells, up to the first that raises an error without being tagged ``raises-exception``.

        The error of a dead kernel names the signal or exit code that ended it.
        """
        with handing_on(self._interrupt) if self.attendance else nullcontext():
            self._execute_cells()

    def _interrupt(self) -> None:
        """Interrupt the cell that is running; a handler of a signal may tell nobody, as others are telling already."""
        self.interrupted = True
        os.kill(self.km.provisioner.pid, signal.SIGINT)

    def _execute_cells(self) -> None:
        try:
            for index, cell in enumerate(self.nb.cells):
                self.nb_man.cell_start(cell, index)
                try:
                    self.execute_cell(cell, index)
                except CellExecutionError as error:
                    self.nb_man.cell_exception(cell, cell_index=index, exception=error)
                    raise _Raised(error, index + 1) from None
                finally:
                    self.nb_man.cell_complete(cell, cell_index=index)
        except DeadKernelError as error:
            raise DeadKernelError(_how_it_died(self.km.provisioner.process)) from error


class _Engine(NBClientEngine):
    """Engine of papermill with an environment for the kernel and a file for its terminal output."""

    @classmethod
    def execute_managed_notebook(
        cls, nb_man: Any, kernel_name: str, environment: Mapping[str, str], cwd: Path, log: Path, timeout: int,
        limits: Limits, on_cell: CellCallback, warm: bool, attendance: Attendance | None, **_: Any,
    ) -> None:  # fmt: skip
        """Execute a notebook, as papermill asks its engine to.

        Args:
            nb_man: papermill's manager of the notebook.
            kernel_name: kernel to start.
            environment: environment of the kernel.
            cwd: its working folder.
            log: file that takes the terminal output of the kernel.
            timeout: time limit of a cell, in seconds.
            limits: limits of the kernel.
            on_cell: called before each cell.
            warm: fork the kernel, where it can be.
            attendance: who waits for it; None for nobody.
        """
        cells = nb_man.nb.cells

        def announce(cell: Any, cell_index: int) -> None:
            """Pass number and heading of a cell to ``on_cell``."""
            on_cell(cell_index + 1, len(cells), _heading(cells[: cell_index + 1]))

        client = _Client(
            nb_man, kernel_name=kernel_name, timeout=timeout, startup_timeout=_START_TIMEOUT_S,
            shutdown_kernel="immediate", extra_arguments=[_ERRORS_ONLY],
            on_cell_execute=announce,
        )  # fmt: skip
        client.attendance = attendance
        client.run_guarded(environment, cwd, log, limits, warm)


papermill_engines.register(_ENGINE, _Engine)


def execute(
    notebook: Path,
    output: Path,
    parameters: Mapping[str, Any],
    *,
    environment: Mapping[str, str],
    cwd: Path,
    timeout: int,
    on_cell: CellCallback,
    limits: Limits | None = None,
    kernel: str | None = None,
    warm: bool = False,
    attendance: Attendance | None = None,
) -> Outcome:
    """Run a notebook and write it, as far as it got.

    Args:
        notebook: the notebook.
        output: file that takes the executed notebook; the kernel's log is written beside it.
        parameters: values for its ``parameters`` cell.
        environment: environment of the kernel.
        cwd: working folder of the kernel.
        timeout: time limit of a cell, in seconds.
        on_cell: called before each cell.
        limits: limits of the kernel; None for the usual ones.
        kernel: name of the kernel; None for that of the notebook, or where it names none, our own.
        warm: fork the kernel from a process that is kept for the next ones, where it can be.
        attendance: who waits for it at a terminal; None for nobody.

    Returns:
        The end of the execution; an end of any known kind raises nothing.

    Raises:
        InputError: the file is no notebook.
    """
    content = load_notebook_node(reading.read(notebook))
    name = kernel or content.metadata.get("kernelspec", {}).get("name") or kernels.OWN
    if parameters:
        content = parameterize_notebook(content, dict(parameters), kernel_name=name, language="python")
    log = output.with_name(KERNEL_LOG)

    def start() -> None:
        """Run the notebook to its end."""
        papermill_engines.execute_notebook_with_engine(
            _ENGINE,
            content,
            kernel_name=name,
            output_path=str(output),
            progress_bar=False,
            environment=environment,
            cwd=cwd,
            log=log,
            timeout=timeout,
            limits=limits or usual(),
            on_cell=on_cell,
            warm=warm,
            attendance=attendance,
        )

    try:
        return _end_of(start, output, timeout)
    finally:
        # A notebook that was broken off in the middle of a line is set aside when the report is finished.
        with suppress(OSError, ValueError):
            _tidy(output, notebook)


def _end_of(start: Callable[[], None], output: Path, timeout: int) -> Outcome:
    """End of the execution that ``start`` runs, with the cell of ``output`` at which it stopped."""
    try:
        start()
    except _Raised as error:
        return Outcome("raised", error.name, error.detail, error.cell)
    except CellTimeoutError:
        return Outcome("timeout", detail=f"a cell took longer than {timeout} s", cell=_running_cell(output))
    except DeadKernelError as error:
        return Outcome("died", detail=str(error), cell=_running_cell(output))
    except KeyboardInterrupt:
        return Outcome("interrupted", detail="a signal asked the run to stop", cell=_running_cell(output))
    except Crossed as error:
        return Outcome(error.kind, detail=str(error), cell=_running_cell(output))
    except OSError as error:
        return Outcome("disk", type(error).__name__, error.strerror or str(error))
    except (NoSuchKernel, RuntimeError) as error:
        return Outcome("no kernel", type(error).__name__, str(error))
    return Outcome("completed")


def seconds_in_cells(notebook: Path) -> float:
    """Seconds that the cells of an executed notebook took together; 0 where it cannot be read."""
    try:
        cells = nbformat.read(notebook, as_version=4).cells
    except (OSError, ValueError):
        return 0.0
    return sum(cell.metadata.get("papermill", {}).get("duration") or 0.0 for cell in cells)


def _heading(cells: list[Any]) -> str:
    """Last heading in the prose of these cells; empty where there is none."""
    lines = [line for cell in cells if cell.cell_type == "markdown" for line in cell.source.splitlines()]
    return next((line.lstrip("# ") for line in reversed(lines) if line.startswith("#")), "")


def _tidy(output: Path, notebook: Path) -> None:
    """Join texts that a cell printed in pieces, and keep the names of the files without their folders."""
    executed = nbformat.read(output, as_version=4)
    for cell in executed.cells:
        if cell.cell_type == "code":
            cell.outputs = _joined(cell.outputs)
    executed.metadata.papermill.update(input_path=notebook.name, output_path=output.name)
    files.write(output, nbformat.writes(executed))


def _joined(outputs: list[Any]) -> list[Any]:
    """Join neighbouring texts of one stream, each line as it stood when it was printed over.

    nbclient can do this too, in a time that grows with the square of the length of a line.
    """
    joined: list[Any] = []
    for output in outputs:
        last = joined[-1] if joined else None
        if last is not None and output.output_type == last.output_type == "stream" and output.name == last.name:
            last.text += output.text
        else:
            joined.append(output)
    for output in joined:
        if output.output_type == "stream":
            output.text = "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in output.text.split("\n"))
    return joined


def _running_cell(output: Path) -> int | None:
    """Number of the last cell that was started, from the notebook as far as it was written."""
    try:
        cells = nbformat.read(output, as_version=4).cells
    except (OSError, ValueError):
        return None
    started = [
        number
        for number, cell in enumerate(cells, start=1)
        if cell.cell_type == "code" and cell.metadata.get("papermill", {}).get("start_time")
    ]
    return started[-1] if started else None


def _how_it_died(process: Any) -> str:
    code = process.poll() if process is not None else None
    if code is None or code >= 0:
        return f"the kernel ended with exit code {code}" if code is not None else "the kernel ended"
    name = signal.Signals(-code).name
    hint = ", which is how a system ends a process that takes too much memory" if -code == signal.SIGKILL else ""
    return f"the kernel was ended by {name}{hint}"
