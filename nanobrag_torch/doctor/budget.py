"""Budget of a diagnosis: evaluations of the loss counted, bounded, and reported as they are made."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from .records import Cost

#: Called with (evaluations done, evaluations expected, name of the step that comes next).
ProgressCallback = Callable[[int, int, str], None]


class BudgetSpent(Exception):
    """The budget is used up; measurements made so far are reported."""


@dataclass
class Meter:
    """Counter of evaluations of the loss.

    Attributes:
        expected: evaluations that an uneventful diagnosis takes.
        evaluations: limit of ``done``, None for none.
        seconds: limit of the time since ``started``, None for none.
        progress: hears of every step.
        done: evaluations so far; a gradient counts as three.
        complete: no limit has stopped anything yet.
        interruptible: an interruption by the keyboard spends the budget.
        interrupted: one did.
        started: time of the monotonic clock, in seconds.
    """

    expected: int = 0
    evaluations: int | None = None
    seconds: float | None = None
    progress: ProgressCallback | None = None
    done: int = 0
    complete: bool = True
    interruptible: bool = False
    interrupted: bool = False
    started: float = field(default_factory=time.monotonic)

    def count(self, weight: int = 1) -> None:
        """Count evaluations that are about to be made.

        Raises:
            BudgetSpent: the budget has no room for them.
        """
        over_count = self.evaluations is not None and self.done + weight > self.evaluations
        over_time = self.seconds is not None and time.monotonic() - self.started > self.seconds
        if over_count or over_time:
            self.complete = False
            raise BudgetSpent
        self.done += weight

    def tell(self, step: str) -> None:
        """Announce the step that comes next."""
        if self.progress is not None:
            self.progress(self.done, max(self.expected, self.done), step)

    @contextmanager
    def within(self) -> Iterator[None]:
        """Hold a step that can be left out to the budget.

        Raises:
            BudgetSpent: it is spent, or the keyboard interrupted the step, which spends it.
        """
        if not self.complete:
            raise BudgetSpent
        try:
            yield
        except KeyboardInterrupt:
            if not self.interruptible:
                raise
            self.complete, self.interrupted = False, True
            raise BudgetSpent from None

    def cost(self) -> Cost:
        """Evaluations and seconds spent so far."""
        return Cost(self.expected, self.done, time.monotonic() - self.started, self.complete)
