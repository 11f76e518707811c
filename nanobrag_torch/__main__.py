"""The ``nanoBragg`` command: ``python -m nanobrag_torch`` and the console script."""

import gc
import sys
from typing import TYPE_CHECKING

from nanobrag_torch.cli.parse import Parsed, settings_of
from nanobrag_torch.cli.run import CommandLine
from nanobrag_torch.cli.run import main as run

if TYPE_CHECKING:
    from nanobrag_torch.cli.precedence import Configuration


def create_parser() -> CommandLine:
    """The command's parser: ``create_parser().parse_args(["-cell", "100", ...])``."""
    return CommandLine()


def parse_and_validate_args(args: Parsed) -> "Configuration":
    """The configs that parsed options stand for. Raises as ``cli.precedence.configure`` does."""
    from nanobrag_torch.cli.precedence import configure  # brings torch, which the help text must not wait for

    return configure(settings_of(args))


def main() -> int:
    """Run the command on ``sys.argv``; the exit status."""
    gc.disable()  # a process of one image leaves no garbage, and looking through what torch imports takes 0.15 s
    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
