"""Threads: ranges of pixels spread over them, with progress and interrupts.

The compiled loops release the interpreter, so that plain Python threads keep all cores busy; between two ranges the
main thread reports progress and can be interrupted.
"""

import itertools
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from functools import cache

from nanobrag_torch.kernel.numba_engine.records import LANES
from nanobrag_torch.kernel.pixels import Progress

Range = tuple[int, int]

#: Samples in a range: never so few that handing it to a thread takes longer, enough to make that cost nothing, and not
#: so many that an interrupt has to wait.
FEWEST_SAMPLES, ENOUGH_SAMPLES, MOST_SAMPLES = 1 << 13, 1 << 16, 1 << 23
#: Ranges of an image too small for enough samples in each.
RANGES_AT_LEAST = 4
#: Ranges in an image between those limits, so that every thread finds work.
RANGES_PER_IMAGE = 64


def ranges(pixels: int, samples_per_pixel: int) -> list[Range]:
    """Divide ``pixels`` into consecutive ranges of whole blocks, whatever the number of threads."""
    total = pixels * samples_per_pixel
    least = min(max(total // RANGES_AT_LEAST, FEWEST_SAMPLES), ENOUGH_SAMPLES)
    samples = min(max(total // RANGES_PER_IMAGE, least), MOST_SAMPLES)
    step = max(1, samples // (samples_per_pixel * LANES)) * LANES
    return [(start, min(start + step, pixels)) for start in range(0, pixels, step)]


def shares(work: Sequence[Range], count: int) -> list[list[Range]]:
    """Divide ``work`` into at most ``count`` shares of neighbouring ranges."""
    size = max(1, -(-len(work) // count))
    return [list(work[i : i + size]) for i in range(0, len(work), size)]


def spread(
    jobs: Sequence[Sequence[Range]],
    run: Callable[[int, int, int], None],
    threads: int,
    progress: Progress | None = None,
) -> None:
    """Run jobs on threads, of which this is one. Ranges of a job follow each other.

    Args:
        jobs: The ranges of each job.
        run: Called with (job, start, stop) for every range.
        threads: Number of threads.
        progress: Called in this thread with (pixels done, pixels in all) between its ranges and at the end.

    Raises:
        BaseException: One of ``run`` or ``progress``, or of the keyboard; it ends all jobs at their next range.
    """
    total, numbers = sum(stop - start for job in jobs for start, stop in job), itertools.count()
    finished: list[int] = []
    stopped = threading.Event()

    def work(tell: Progress | None = None) -> None:
        """Take one job after the other until none is left."""
        try:
            while (number := next(numbers)) < len(jobs):
                for start, stop in jobs[number]:
                    if stopped.is_set():
                        return
                    run(number, start, stop)
                    finished.append(stop - start)
                    if tell is not None and (done := sum(finished)) < total:
                        tell(done, total)
        except BaseException:
            stopped.set()
            raise

    helpers = min(threads, len(jobs)) - 1
    others = [_helpers(threads - 1).submit(work) for _ in range(helpers)]
    try:
        work(progress)
        others = [other for other in others if not other.cancel()]
        wait(others)
    except BaseException:
        stopped.set()
        wait([other for other in others if not other.cancel()])
        raise
    for other in others:
        other.result()
    if progress is not None:
        progress(total, total)


@cache
def _helpers(count: int) -> ThreadPoolExecutor:
    """Helper threads that stay for the next image, since starting them takes as long as a small one."""
    return ThreadPoolExecutor(count, thread_name_prefix="nanobrag_torch")


if hasattr(os, "register_at_fork"):  # A forked process has none of its parent's threads.
    os.register_at_fork(after_in_child=_helpers.cache_clear)
