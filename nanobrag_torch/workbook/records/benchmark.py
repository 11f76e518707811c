"""Record of a measurement of ``python -m benchmarks``."""

from typing import Any

from nanobrag_torch.workbook.records.base import Part, Record


class StoredTiming(Part):
    """Times of one contestant on one workload.

    Attributes:
        evaluations: pixel x sub-pixel x source x phi x domain in one image.
        seconds: duration of each round.
        median: median of the rounds, in seconds.
        nanoseconds: median per evaluation.
    """

    workload: str
    contestant: str
    evaluations: int
    seconds: tuple[float, ...]
    median: float
    nanoseconds: float


class Point(Part):
    """Time of an image as it grows.

    Attributes:
        varied: quantity that is varied, "pixels" or "domains".
        pixels: pixels along each edge.
        domains: mosaic domains.
        seconds: median of the rounds.
    """

    varied: str
    pixels: int
    domains: int
    seconds: float


class Benchmark(Record):
    """A measurement of speed; ``ratios`` by name and workload."""

    file = "benchmark.json"

    machine: dict[str, Any]
    rows: tuple[StoredTiming, ...]
    ratios: dict[str, dict[str, float]]
    scaling: tuple[Point, ...] = ()

    @property
    def workloads(self) -> tuple[str, ...]:
        """Names of the workloads, in the order in which they were measured."""
        return tuple(dict.fromkeys(row.workload for row in self.rows))
