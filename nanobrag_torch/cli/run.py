"""The ``nanoBragg`` command: options and usage at once; torch is imported only when there is something to simulate."""

import os
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from nanobrag_torch import __version__
from nanobrag_torch.cli.errors import NO_CELL, CommandError, MissingInputError, describe
from nanobrag_torch.cli.flags import BANNER, format_help
from nanobrag_torch.cli.parse import Parsed, parse, settings_of
from nanobrag_torch.cli.settings import Settings

#: Exit status of everything that the user has to put right.
FAILURE = 9
#: Exit status after an interrupt from the keyboard, as shells report it.
INTERRUPTED = 130


def main(words: Sequence[str]) -> int:
    """Run the command on ``words`` (without the program's name); the exit status."""
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            return _main(words)
    except BrokenPipeError:  # whoever read the report has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILURE
    except KeyboardInterrupt:
        print("interrupted: no further file is written", file=sys.stderr)
        return INTERRUPTED
    except (CommandError, ValueError, OSError, ImportError, MemoryError) as error:
        sys.stdout.flush()
        print(f"ERROR: {describe(error)}", file=sys.stderr)
        return FAILURE


def _main(words: Sequence[str]) -> int:
    parsed = parse(words)
    if parsed.given("-h"):
        print(format_help(), end="")
        return 0
    if parsed.given("-version"):
        print(f"nanobrag_torch {__version__}")
        return 0
    for remark in parsed.remarks:
        warn(remark)
    settings = settings_of(parsed)
    try:
        _check_inputs(settings)
        from nanobrag_torch.cli.simulate import simulate

        simulate(settings)
    except MissingInputError as error:
        print(BANNER)
        print(error.usage_begins + format_help(), end="")
        raise
    return 0


def _check_inputs(s: Settings) -> None:
    """Raise ``MissingInputError`` where the inputs cannot suffice.

    A cell may also come with the structure factors: ``simulate`` finds out when it reads them.
    """
    has_dump = s.use_dump and Path(s.dump_file).is_file()
    if s.hkl_file is None and not has_dump and s.default_F == 0:
        raise MissingInputError(
            "no structure factors. Give -hkl or -default_F, or run where a dump of an earlier run lies.",
            usage_begins="ERROR: no hkl file and no dump file to read.",
        )
    placed = s.matrix_file is not None or s.stars is not None
    if not placed and (s.cell is None or s.cell[0] <= 0) and not (s.cell is None and s.hkl_file is not None):
        raise MissingInputError(NO_CELL)


def warn(text: str) -> None:
    """Print a warning on standard error."""
    print(f"WARNING: {text}", file=sys.stderr)


def _show_warning(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, file: Any = None, line: Any = None
) -> None:
    warn(str(message))


class CommandLine:
    """The command's parser as an object, for programs that call it: ``parse_args`` and ``format_help``."""

    def parse_args(self, args: Sequence[str] | None = None) -> Parsed:
        """The options in ``args`` (None: those of this process). Raises ``CommandError`` for what cannot be read."""
        return parse(sys.argv[1:] if args is None else list(args))

    format_help: Callable[[], str] = staticmethod(format_help)
