"""Points given out to the workers of a dask cluster, a few batches ahead of them, until all are on disk.

The scheduler decides who computes what, and nothing else: which points are done, and which killed their workers, is
read from the disk, so that whoever goes on after an end of any kind finds the same.
"""

from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import CancelledError
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nanobrag_torch.workbook.errors import Blocked
from nanobrag_torch.workbook.records.sweep import PointStatus
from nanobrag_torch.workbook.sweeps import store, worker
from nanobrag_torch.workbook.sweeps.worker import Ended, Task

if TYPE_CHECKING:
    from distributed import Client, Future

#: Called with the numbers of points that are done, failed, blocked, being computed, and asked for.
Progress = Callable[[int, int, int, int, int], None]
#: Tells how the process "process host" of a worker ended, in words; empty where that is not known.
HowItEnded = Callable[[str], str]
#: Seconds that a batch is to take: long beside what it costs to hand one out, short beside the time of a sweep.
_BATCH_S = 1.0
_LARGEST_BATCH = 1000
#: Batches that wait for each worker, with the one that it computes.
_AHEAD = 2
#: Batches in a row that may be lost before any of their points was begun.
_PATIENCE = 3


@dataclass
class Tally:
    """Points of a sweep by their ends, and those that are asked for."""

    total: int
    ends: dict[PointStatus, int] = field(default_factory=lambda: dict.fromkeys(("done", "failed", "blocked"), 0))

    def add(self, status: PointStatus) -> None:
        """Count one more."""
        self.ends[status] += 1


def compute(
    client: "Client", task: Task, numbers: Iterable[int], tally: Tally, progress: Progress, how: HowItEnded, alone: bool
) -> None:
    """Compute points, and return when all are on disk.

    Args:
        client: client of the cluster.
        task: the sweep.
        numbers: points to compute.
        tally: takes their ends.
        progress: is called after every batch.
        how: tells how a worker ended.
        alone: hand out one point at a time, however little it takes.

    Raises:
        Blocked: the workers cannot compute here, or the scheduler is gone.
        OSError: nothing more can be written.
    """
    _Engine(client, task, deque(numbers), tally, progress, how, alone).run()


class _Engine:
    def __init__(
        self, client: "Client", task: Task, waiting: deque[int], tally: Tally, progress: Progress, how: HowItEnded,
        alone: bool,
    ) -> None:  # fmt: skip
        self.client, self.task, self.waiting, self.tally = client, task, waiting, tally
        self.progress, self.how, self.alone = progress, how, alone
        self.batches: dict[Any, list[int]] = {}
        self.futures: dict[Any, Future[Any]] = {}
        self.costs: deque[float] = deque(maxlen=200)
        self.lost = 0

    def run(self) -> None:
        from distributed import as_completed

        completed: Any = as_completed([], loop=self.client.loop)
        try:
            self._until_all_are_there(completed)
        finally:
            # After an error or an interrupt, a cluster that goes on has no work of ours any more.
            self.client.cancel(list(self.futures.values()), force=True)

    def _until_all_are_there(self, completed: Any) -> None:
        self._tell()
        while self.waiting or self.batches:
            for future in self._handed_out():
                completed.add(future)
            future = next(completed)
            batch = self.batches.pop(future.key)
            del self.futures[future.key]
            back = self._taken(future, batch)
            # What was not computed comes first, so that a point that kills its workers is known before long.
            self.waiting.extendleft(reversed([number for number in batch if number not in back]))
            self._tell()

    def _handed_out(self) -> Iterable["Future[Any]"]:
        workers = max(1, len(self.client.nthreads()))
        while self.waiting and len(self.batches) < _AHEAD * workers:
            batch = list(islice(self.waiting, self._size(workers)))
            for _ in batch:
                self.waiting.popleft()
            # The lowest points first, whoever was asked before.
            future = self.client.submit(worker.compute, self.task, batch, pure=False, priority=-batch[0])
            self.batches[future.key] = batch
            self.futures[future.key] = future
            yield future

    def _size(self, workers: int) -> int:
        if self.alone or not self.costs:
            return 1
        cost = max(sum(self.costs) / len(self.costs), _BATCH_S / _LARGEST_BATCH)
        return max(1, min(int(_BATCH_S / cost), len(self.waiting) // (_AHEAD * workers)))

    def _taken(self, future: "Future[Any]", batch: list[int]) -> set[int]:
        """Take a batch that came back in whatever way, and return the points that have ended."""
        from distributed import KilledWorker

        try:
            ended = {self._ended(end) for end in future.result()}
            self.lost = 0
            return ended
        except (KilledWorker, CancelledError):
            pass
        if self.client.status != "running":
            raise Blocked("The scheduler does not answer any more.")
        # Its worker died or was taken away. What is on disk is done all the same.
        begun = any(store.begun(self.task.sweep, number) for number in batch)
        self.lost = 0 if begun else self.lost + 1
        if self.lost >= _PATIENCE:
            raise Blocked(
                "The workers die before they have begun a point: too little memory for them, or too little time."
            )
        return set()

    def _ended(self, end: Ended) -> int:
        self.tally.add(end.status)
        self.costs.append(end.seconds)
        if end.status == "blocked" and (words := self._words(end.died)):
            point = store.read(self.task.sweep, end.number)
            if point is not None:
                store.write(self.task.sweep, point.model_copy(update={"cause": f"{point.cause}: {words}"}))
        return end.number

    def _words(self, died: Iterable[str]) -> str:
        return ", ".join(dict.fromkeys(filter(None, map(self.how, died))))

    def _tell(self) -> None:
        running = min(len(self.batches), len(self.client.nthreads()))
        ends = self.tally.ends
        self.progress(ends["done"], ends["failed"], ends["blocked"], running, self.tally.total)


def still_open(sweep: Path, total: int, tally: Tally) -> list[int]:
    """Numbers of the points that are not on disk; those that are, are added to ``tally``."""
    known = set()
    for point in store.finished(sweep):
        known.add(point.number)
        tally.add(point.status)
    return [number for number in range(total) if number not in known]
