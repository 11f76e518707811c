"""Progress of a sweep on a terminal: a line that moves, or now and then a line where there is no terminal."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from nanobrag_torch.workbook.commands.terminal import messages

if TYPE_CHECKING:
    from nanobrag_torch.workbook.running.run import Tell
    from nanobrag_torch.workbook.sweeps.engine import Progress

#: Seconds between two lines where there is no terminal.
_EVERY_S = 10.0


@contextmanager
def shown(tell: "Tell") -> "Iterator[Progress]":
    """A function that shows how many points are done, failed, blocked, being computed, and asked for."""
    if not messages.is_terminal:
        yield _lines(tell)
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[others]}"), TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(compact=True),
    )  # fmt: skip
    with Progress(*columns, console=messages, transient=True) as bar:
        task = bar.add_task("points", total=None, others="", rate="")
        pace = _Pace()

        def show(done: int, failed: int, blocked: int, running: int, total: int) -> None:
            ended = done + failed + blocked
            rate = pace.of(ended)
            bar.update(
                task,
                completed=ended,
                total=total,
                others=_others(failed, blocked, running),
                rate=f"{rate:.3g}/s" if rate else "",
            )

        yield show


class _Pace:
    """Points a second since the first one ended: those there before, and the start of workers, do not count."""

    def __init__(self) -> None:
        self.begun: tuple[float, int] | None = None

    def of(self, ended: int) -> float:
        """Points a second when so many have ended; 0 while it is not known."""
        now = time.monotonic()
        if self.begun is None or ended == self.begun[1]:
            self.begun = (now, ended)
        then, before = self.begun
        return (ended - before) / (now - then) if now > then else 0.0


def _others(failed: int, blocked: int, running: int) -> str:
    counts = ((failed, "failed"), (blocked, "blocked"), (running, "running"))
    return ", ".join(f"{count} {what}" for count, what in counts if count)


def _lines(tell: "Tell") -> "Progress":
    pace, due = _Pace(), [time.monotonic() + _EVERY_S]

    def show(done: int, failed: int, blocked: int, running: int, total: int) -> None:
        ended = done + failed + blocked
        rate = pace.of(ended)
        if time.monotonic() < due[0]:
            return
        due[0] = time.monotonic() + _EVERY_S
        left = f", {rate:.3g}/s, {(total - ended) / rate:.0f} s left" if rate else ""
        others = _others(failed, blocked, running)
        tell("points", f"{ended} of {total}{', ' + others if others else ''}{left}")

    return show
