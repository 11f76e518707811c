"""Start of the command ``nanobrag-workbook``."""

import io
import os
import sys

BLOCKED = 3


def _speak_utf8() -> None:
    """Take names and texts for UTF-8 whatever the system says, here and in every process that is started."""
    if sys.getfilesystemencoding() != "utf-8" and not sys.flags.utf8_mode:
        os.environ["PYTHONUTF8"] = "1"
        os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")


def main() -> None:
    """Run the command, or say which package it lacks."""
    _speak_utf8()
    try:
        from nanobrag_torch.workbook.commands import app
    except ModuleNotFoundError as error:
        print(
            f"nanobrag-workbook: the package {error.name!r} is missing. "
            "Install the workbook with: pip install 'nanobrag-torch[workbook,io]'",
            file=sys.stderr,
        )
        raise SystemExit(BLOCKED) from None
    app.run_command(sys.argv[1:])
