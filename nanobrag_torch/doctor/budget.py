"""What a diagnosis may cost: counted, bounded, and reported as it goes."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from nanobrag_torch.doctor.records import Cost

#: Called with (evaluations done, evaluations expected, what is being done).
ProgressCallback = Callable[[int, int, str], None]


class BudgetSpent(Exception):
    """The budget is used up; what was measured so far is reported."""


@dataclass
class Meter:
    """Counts evaluations of the loss. ``evaluations`` and ``seconds`` are limits, None for none."""

    expected: int = 0
    evaluations: int | None = None
    seconds: float | None = None
    progress: ProgressCallback | None = None
    done: int = 0
    complete: bool = True
    started: float = field(default_factory=time.monotonic)

    def count(self, weight: int = 1) -> None:
        """Note that an evaluation is about to be made. Raises ``BudgetSpent`` where the budget has no room for it."""
        over_count = self.evaluations is not None and self.done + weight > self.evaluations
        over_time = self.seconds is not None and time.monotonic() - self.started > self.seconds
        if over_count or over_time:
            self.complete = False
            raise BudgetSpent
        self.done += weight

    def tell(self, what: str) -> None:
        """Say what comes next."""
        if self.progress is not None:
            self.progress(self.done, max(self.expected, self.done), what)

    def cost(self) -> Cost:
        """What was spent."""
        return Cost(self.expected, self.done, time.monotonic() - self.started, self.complete)
