"""Progress report: the C program's percentages, or one line that is rewritten where a person watches."""

import sys
from collections.abc import Callable, Iterator

Reporter = Callable[[int, int], None]


def progress_reporter(roi: tuple[int, int, int, int]) -> Reporter:
    """A function to be called with (pixels done, pixels in all); ``roi`` is xmin, xmax, ymin, ymax."""
    return _rewritten_line if sys.stdout.isatty() else _Percentages(roi)


def _rewritten_line(done: int, total: int) -> None:
    print(f"\r{100 * done // max(1, total)}% done", end="\n" if done >= total else "", flush=True)


class _Percentages:
    """Prints the lines of the C program for the pixels that have been rendered since the last call."""

    def __init__(self, roi: tuple[int, int, int, int]) -> None:
        xmin, xmax, ymin, ymax = roi
        self.pixels = (xmax - xmin + 1) * (ymax - ymin + 1)
        self.reported = 0

    def __call__(self, done: int, total: int) -> None:
        for percent in percentages(self.pixels, self.reported, done):
            print(f"{percent}% done")
        self.reported = done


def percentages(pixels: int, start: int, stop: int) -> Iterator[int]:
    """Percentages that C reports before rendered pixels ``start`` to ``stop`` (excluded).

    It reports every 5 %, and every 1 % at either end. ``pixels`` is its own count of the pixels; below 100 it reports
    nothing.
    """
    if pixels < 100:
        return
    ends = (i for i in _multiples(pixels // 100, start, stop) if 10 * i < pixels or 10 * i > 9 * pixels)
    for i in sorted({*_multiples(pixels // 20, start, stop), *ends}):
        yield 100 * i // pixels


def _multiples(step: int, start: int, stop: int) -> range:
    return range(-(-start // step) * step, stop, step)
