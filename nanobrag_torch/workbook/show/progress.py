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
from typing import TypeVar

from nanobrag_torch.workbook.records.run import Verdict

#: MIME type of a bar in a notebook, by which the page of a report knows what to leave out.
PROGRESS_TYPE = "application/vnd.nanobrag.progress+json"
#: Seconds between two pictures of a bar.
_EVERY_S = 0.2
#: Part of the work after which the time left is told: from less it would be a guess.
_TOLD_FROM = 0.05

T = TypeVar("T")
_numbers = itertools.count(1)
#: Work of this kernel that was interrupted and not done since.
_interrupted: dict[str, None] = {}


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
        # A process that has not loaded IPython has no notebook to show it in.
        if "IPython" not in sys.modules:
            return
        from IPython import get_ipython
        from IPython.display import display

        if get_ipython() is None:
            return
        data = {
            "text/plain": f"{self.name}: {told}",
            "text/html": f"{bar}{html.escape(self.name)}: {html.escape(told)}",
            PROGRESS_TYPE: {},
        }
        display(data, raw=True, display_id=self._id, update=self._shown)  # type: ignore[no-untyped-call]
        self._shown = True


@contextmanager
def shown(name: str, *, needed: bool = False) -> Iterator[Work]:
    """Show long work, and let an interruption end it alone: ``interrupted`` says so, and the cell goes on behind it.

    Args:
        name: its name, in a few words.
        needed: nothing can be said without it, so that an interruption ends the cell.

    Raises:
        KeyboardInterrupt: it was interrupted, and is needed.
    """
    _interrupted.pop(name, None)
    work, how = Work(name), "ended by an error"
    work.at(None)
    work._due = 0.0  # the first step is shown at once
    try:
        yield work
        how = "interrupted" if work.interrupted else "done"
    except KeyboardInterrupt:
        work.interrupted, how = True, "interrupted"
        if needed:
            raise
    finally:
        if work.interrupted:
            _interrupted[name] = None
        work.end(how)


def said(verdict: Verdict) -> Verdict:
    """Verdict whose sentence names the work that was interrupted, of which it says nothing."""
    if not _interrupted:
        return verdict
    names = "; ".join(_interrupted)
    return verdict.model_copy(
        update={"sentence": f"{verdict.sentence} Interrupted, so nothing is said of it: {names}."}
    )


def forget() -> None:
    """Forget what was interrupted, as a notebook does that begins anew."""
    _interrupted.clear()
