"""Ranges of pixels spread over threads.

The compiled loops release the interpreter, so that plain Python threads keep all cores busy; between two ranges the
main thread reports progress and can be interrupted.
"""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed

from nanobrag_torch.kernel.cpu.compiling import LANES

Range = tuple[int, int]
Progress = Callable[[int, int], None]

#: Samples in a range: enough to outweigh handing it to a thread, and not so many that an interrupt has to wait.
FEWEST_SAMPLES, MOST_SAMPLES = 1 << 17, 1 << 23
#: Ranges in an image between those limits, so that every thread finds work.
RANGES_PER_IMAGE = 64


def ranges(pixels: int, samples_per_pixel: int) -> list[Range]:
    """Consecutive ranges of whole blocks that cover ``pixels``, whatever the number of threads."""
    samples = min(max(pixels * samples_per_pixel // RANGES_PER_IMAGE, FEWEST_SAMPLES), MOST_SAMPLES)
    step = max(1, samples // (samples_per_pixel * LANES)) * LANES
    return [(start, min(start + step, pixels)) for start in range(0, pixels, step)]


def shares(work: Sequence[Range], count: int) -> list[list[Range]]:
    """``work`` dealt into at most ``count`` shares of neighbouring ranges."""
    size = max(1, -(-len(work) // count))
    return [list(work[i : i + size]) for i in range(0, len(work), size)]


def spread(
    jobs: Sequence[Sequence[Range]],
    run: Callable[[int, int, int], None],
    threads: int,
    progress: Progress | None = None,
) -> None:
    """Call ``run(job, start, stop)`` for every range; those of one job follow each other, jobs share the ``threads``.

    ``progress`` is called in this thread with (pixels done, pixels in all). An exception, or an interrupt from the
    keyboard, ends all jobs at their next range and is raised here.
    """
    total, done = sum(stop - start for job in jobs for start, stop in job), 0
    stopped = threading.Event()

    def work(number: int) -> int:
        finished = 0
        for start, stop in jobs[number]:
            if stopped.is_set():
                break
            run(number, start, stop)
            finished += stop - start
        return finished

    with ThreadPoolExecutor(threads) as pool:
        try:
            for future in as_completed([pool.submit(work, number) for number in range(len(jobs))]):
                done += future.result()
                if progress is not None:
                    progress(done, total)
        except BaseException:
            stopped.set()
            raise
