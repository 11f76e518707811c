"""What the commands say: messages on standard error, results on standard output."""

import time
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from nanobrag_torch.workbook.running.run import Tell

messages = Console(stderr=True, highlight=False, soft_wrap=True)


def teller() -> Tell:
    """A function that prints (what, text) with the seconds since now."""
    started = time.monotonic()

    def tell(what: str, text: str) -> None:
        messages.print(f"[dim]{time.monotonic() - started:7.1f} s[/]  {escape(what):<10}  {escape(text)}")

    return tell


def complain(text: str) -> None:
    """A problem, as it is."""
    messages.print(escape(text))


def from_here(path: Path) -> str:
    """The path as it is reached from the working folder, or in full from elsewhere."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
