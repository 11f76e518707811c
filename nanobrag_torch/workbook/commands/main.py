"""Start of the command ``nanobrag-workbook``."""

import io
import sys

BLOCKED = 3


def main() -> None:
    """Run the command, or say which package it lacks."""
    for stream in (sys.stdout, sys.stderr):
        # Whatever the system says: what we print is UTF-8, and what is none is seen as an escape.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
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
