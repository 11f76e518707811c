"""Progress of long work in a notebook: a bar with the time left, and an interruption that ends this work alone.

The bar is a display that is updated, so that an executed notebook keeps its last line and nothing else. The page of a
report leaves it out.
"""

import html
import itertools
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from nanobrag_torch.workbook.records.run import Verdict

#: MIME type of a bar in a notebook, by which the page of a report knows what to leave out.
PROGRESS_TYPE = "application/vnd.nanobrag.progress+json"
#: Seconds between two pictures of a bar.
_EVERY_S = 0.2
#: Part of the work after which the time left is told: from less it would be a guess.
_TOLD_FROM = 0.05

T = TypeVar("T")
_numbers = itertools.count(1)
#: Work of this kernel that was interrupted and not done since, by name and cell, and when that cell was executed.
_interrupted: dict[tuple[str, str], int] = {}


class Work:
    """Long work while it is shown.

    Attributes:
        name: its name, as a reader of the notebook reads it.
        interrupted: an interruption (the kernel's button, or Ctrl-C) ended it.
    """

    def __init__(self, name: str) -> None:
        self.name, self.interrupted = name, False
        self._id = f"nanobrag-progress-{next(_numbers)}"
        self._begun, self._due, self._shown = time.monotonic(), 0.0, False

    def at(self, part: float | None, words: str = "") -> None:
        """Show how far it is.

        Args:
            part: part that is done, 0 to 1; None where nobody knows.
            words: next step.
        """
        now = time.monotonic()
        if now < self._due:
            return
        self._due = now + _EVERY_S
        seconds = now - self._begun
        left = ""
        if part is not None and _TOLD_FROM <= part < 1:
            left = f", about {seconds * (1 - part) / part:.0f} s left"
        told = f"{seconds:.0f} s{left}{': ' if words else ''}{words}"
        value = "" if part is None else f" value='{min(max(part, 0), 1):.3f}'"
        self._show(told, f"<progress aria-label='{html.escape(self.name)}'{value}></progress> ")

    def each(self, items: Sequence[T], words: Callable[[T], str] = str) -> Iterator[T]:
        """Go through ``items``, and show how far it is; ``words`` name an item."""
        for number, item in enumerate(items):
            self.at(number / len(items), words(item))
            yield item

    def points(self, done: int, failed: int, blocked: int, running: int, total: int) -> None:
        """Show how far a sweep is, which tells it in these numbers of points."""
        self.at((done + failed + blocked) / total if total else None, f"{running} running" if running else "")

    def end(self, how: str) -> None:
        """Put the last line in place of the bar."""
        if self._shown:
            self._show(f"{how} after {time.monotonic() - self._begun:.1f} s", "")

    def _show(self, told: str, bar: str) -> None:
        if _kernel() is None:
            return
        from IPython.display import display

        data = {
            "text/plain": f"{self.name}: {told}",
            "text/html": f"{bar}{html.escape(self.name)}: {html.escape(told)}",
            PROGRESS_TYPE: {},
        }
        display(data, raw=True, display_id=self._id, update=self._shown)  # type: ignore[no-untyped-call]
        self._shown = True


def _kernel() -> Any:
    """Kernel of the notebook; None without one, as in a terminal, where each picture of a bar would be a line."""
    # A process that has not loaded IPython has no notebook.
    if "IPython" not in sys.modules:
        return None
    from IPython import get_ipython

    return getattr(get_ipython(), "kernel", None)


def _cell() -> tuple[str, int]:
    """Cell that is executed, and a number that no other execution has."""
    kernel = _kernel()
    if kernel is None:
        return "", next(_numbers)
    request = kernel.get_parent("shell")
    cell = request.get("metadata", {}).get("cellId") or request.get("content", {}).get("code", "")
    return str(cell), kernel.shell.execution_count


@contextmanager
def shown(name: str, *, needed: bool = False) -> Iterator[Work]:
    """Show long work, and let an interruption end it alone: ``interrupted`` says so, and the cell goes on behind it.

    Args:
        name: its name, in a few words.
        needed: nothing can be said without it, so that an interruption ends the cell.

    Raises:
        KeyboardInterrupt: it was interrupted, and is needed.
    """
    cell, execution = _cell()
    if _interrupted.get((name, cell)) != execution:  # else it is other work of this cell that has the same name
        _interrupted.pop((name, cell), None)
    work, how, begun = Work(name), "ended by an error", False
    try:
        work.at(None)
        work._due, begun = 0.0, True  # the first step is shown at once
        yield work
        how = "interrupted" if work.interrupted else "done"
    except KeyboardInterrupt:
        work.interrupted, how = True, "interrupted"
        if needed or not begun:
            raise
    finally:
        if work.interrupted:
            _interrupted[name, cell] = execution
        try:
            work.end(how)
        except KeyboardInterrupt:  # a second one, which came while the last line was shown
            work.end(how)
            raise


def said(verdict: Verdict) -> Verdict:
    """Verdict whose sentence names the work that was interrupted, of which it says nothing."""
    if not _interrupted:
        return verdict
    names = "; ".join(dict.fromkeys(name for name, _ in _interrupted))
    return verdict.model_copy(
        update={"sentence": f"{verdict.sentence} Interrupted, so nothing is said of it: {names}."}
    )


def forget() -> None:
    """Forget what was interrupted, as a notebook does that begins anew."""
    _interrupted.clear()
