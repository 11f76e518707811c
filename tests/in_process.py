"""The command ``nanobrag-workbook`` within the process of the tests, where a process of its own would show no more."""

import contextlib
import io
from pathlib import Path
from subprocess import CompletedProcess

from nanobrag_torch.workbook.commands.app import run_command


def run_here(folder: Path, *words: str) -> CompletedProcess[str]:
    """``nanobrag-workbook`` with these words in a folder, to its end; kernels still have processes of their own."""
    out, err = io.StringIO(), io.StringIO()
    code: object = None
    with contextlib.chdir(folder), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            run_command(list(words))
        except SystemExit as end:
            code = end.code
    return CompletedProcess(words, code if isinstance(code, int) else 0, out.getvalue(), err.getvalue())
