"""Command ``python -m benchmarks.doctor.guard_cost FOLDER [PATH ...]``: the part of a test suite that the guard takes.

The suite runs once, in its folder, under the guard, and the processor time in the functions of the guard is added
up: the difference of two runs would drown in what else the machine does.
"""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from nanobrag_torch.doctor import guard

#: Functions of the guard that do its work; all else is a call handed on.
WORK = ((guard, "_leaves"), (guard, "_sizes"), (guard._Watched, "_compare"))


class Clock:
    """Processor time in the guard, and of the whole; a pytest plugin while it runs."""

    def __init__(self) -> None:
        self.spent = 0.0
        self.begin = time.process_time()
        for owner, name in WORK:
            setattr(owner, name, self.timed(getattr(owner, name)))

    def timed(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Wrap a function so that its time is added up."""

        def call(*args: Any) -> Any:
            begin = time.thread_time()
            result = function(*args)
            if hasattr(result, "__next__"):
                result = list(result)
            self.spent += time.thread_time() - begin
            return result

        return call

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Say what the guard took."""
        whole = time.process_time() - self.begin
        terminalreporter.write_line(
            f"gradient guard: {self.spent:.2f} s of {whole:.2f} s of processor time, {self.spent / whole:.1%}"
        )


def pytest_configure(config: Any) -> None:
    """Start the clock where this module is loaded as a plugin."""
    config.pluginmanager.register(Clock(), "gradient_guard_clock")


def main(
    folder: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="Root of the suite.")],
    paths: Annotated[list[str] | None, typer.Argument(help="Tests, from there; all of them if none is given.")] = None,
) -> None:
    """Run a suite under the guard and print the guard's part of its processor time."""
    plugins = ("-p", "nanobrag_torch.doctor.pytest_plugin", "-p", "benchmarks.doctor.guard_cost")
    root = Path(__file__).parents[2]
    # The suite's own packages come first on the path, this checkout last.
    code = f"import sys, pytest; sys.path += [{str(root)!r}]; sys.exit(pytest.main(sys.argv[1:]))"
    command = [sys.executable, "-c", code, "-q", "-p", "no:cacheprovider", *plugins, *(paths or ())]
    sys.exit(subprocess.run(command, cwd=folder).returncode)


if __name__ == "__main__":
    typer.run(main)
