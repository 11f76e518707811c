"""Kernels forked from a process that has imported what notebooks import: half of the start of one is its imports.

A worker of a sweep runs many notebooks one after the other. It keeps one such process, the fork server of Python's
multiprocessing; each kernel is a child of it, in a session of its own, and shares nothing with the next.
"""

import multiprocessing
import os
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from jupyter_client.provisioning.local_provisioner import LocalProvisioner

from nanobrag_torch.workbook.machine.family import VARIABLE
from nanobrag_torch.workbook.machine.processes import script_hidden
from nanobrag_torch.workbook.notebooks import kernels

#: What the fork server imports; nothing of it starts a thread, which would not survive the fork.
_IMPORTED = (
    "torch",
    "matplotlib.pyplot",
    "matplotlib.backends.backend_agg",
    "matplotlib_inline.backend_inline",
    "ipykernel.kernelapp",
    "ipykernel.zmqshell",
    "nanobrag_torch.workbook.cells.figures",
    "nanobrag_torch.workbook.cells.mapped_test",
    "nanobrag_torch.workbook.cells.parameters",
    "nanobrag_torch.workbook.cells.probe",
    "nanobrag_torch.workbook.running.whole_messages",
    "nanobrag_torch.workbook.show.tables",
    __name__,
)
#: Where the fork server, which runs no script, looks for modules; a child of it is told of the folder of a script.
_PATH = tuple(folder for folder in sys.path if folder)
_LAUNCHER = ["-m", "ipykernel_launcher"]
#: Variables that differ from kernel to kernel, and that nothing reads while it is imported.
_OF_ONE_KERNEL = (VARIABLE, "JPY_SESSION_NAME", "JPY_PARENT_PID", "PYDEVD_USE_FRAME_EVAL")


class WarmProvisioner(LocalProvisioner):
    """Starts a kernel of our own by a fork, and any other, or one with another environment, as it is always started."""

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> Any:
        """Start the kernel with the words ``cmd``, as the manager of a kernel asks for it."""
        kernel = _forked(cmd, kwargs["env"], Path(kwargs["cwd"]), Path(kwargs["stderr"].name))
        if kernel is None:
            return await super().launch_kernel(cmd, **kwargs)
        self.process: Any = kernel
        self.pid, self.pgid = kernel.pid, kernel.pid
        self.cwd = kwargs["cwd"]
        return self.connection_info


class _Kernel:
    """A forked kernel with the methods of :class:`subprocess.Popen` by which its manager follows it."""

    stdin = stdout = stderr = None

    def __init__(self, process: BaseProcess) -> None:
        self._process = process
        assert process.pid is not None
        self.pid: int = process.pid

    def poll(self) -> int | None:
        """Exit code, or minus the number of the signal that ended it; None as long as it runs."""
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int | None:
        """Wait for the end, and return as :meth:`poll` does."""
        self._process.join(timeout)
        return self.poll()

    def send_signal(self, number: int) -> None:
        """Send a signal to the process."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill the process."""
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        """Ask the process to end."""
        self.send_signal(signal.SIGTERM)


class _Server:
    """The fork server of this process; its environment is that of the first kernel that it forked."""

    def __init__(self) -> None:
        self._marks = os.environ.get(VARIABLE)
        self._environment: dict[str, str] | None = None

    def forks(self, environment: Mapping[str, str]) -> bool:
        """Tell whether a kernel with that environment can be forked; the first one decides which can."""
        if multiprocessing.current_process().daemon:
            return False
        own = _shared(environment)
        if self._environment is None:
            self._start(own)
            self._environment = own
        return self._environment == own

    def _start(self, environment: Mapping[str, str]) -> None:
        # It outlives the run that it is started in, and carries the marks of what that is a part of alone.
        known, marks = dict(os.environ), {VARIABLE: self._marks} if self._marks else {}
        multiprocessing.set_forkserver_preload(list(_IMPORTED))
        try:
            os.environ.clear()
            os.environ.update({**environment, **marks})
            with script_hidden():
                from multiprocessing import forkserver

                forkserver.ensure_running()
        finally:
            os.environ.clear()
            os.environ.update(known)


_server = _Server()


def _forked(words: list[str], environment: Mapping[str, str], folder: Path, log: Path) -> _Kernel | None:
    """A kernel that was forked, in ``folder``, its output going to ``log``; None where it has to be started."""
    if not kernels.is_own(words[0]) or words[1:3] != _LAUNCHER:
        return None
    context = multiprocessing.get_context("forkserver")
    hears, tells = context.Pipe(duplex=False)
    process = context.Process(target=_become, args=(words[3:], dict(environment), folder, log, tells))
    try:
        if not _server.forks(environment):
            return None
        with script_hidden():
            process.start()
        tells.close()
        hears.recv()
    except (EOFError, OSError):
        return None
    finally:
        hears.close()
    return _Kernel(process)


def _become(words: list[str], environment: dict[str, str], folder: Path, log: Path, tells: Connection) -> None:
    """Be a kernel, in the child of the fork server."""
    os.setsid()
    tells.send(True)
    tells.close()
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    with log.open("ab") as stream:
        for output in (1, 2):
            os.dup2(stream.fileno(), output)
    # What a program of its own would find: its words, the usual way to start processes, numbers that nobody else draws.
    sys.path[:] = _PATH
    sys.argv = ["ipykernel_launcher", *words]
    multiprocessing.set_start_method(None, force=True)
    with suppress(KeyError):
        sys.modules["numpy"].random.seed()
    from ipykernel import kernelapp

    kernelapp.launch_new_instance(argv=[*words, f"--IPKernelApp.parent_handle={os.getppid()}"])


def _shared(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name not in _OF_ONE_KERNEL}
