"""Record of a measurement of ``python -m benchmarks``."""

from typing import Any

from nanobrag_torch.workbook.records.base import Part, Record


class Timing(Part):
    """Seconds of each round of one contestant on one workload."""

    workload: str
    contestant: str
    evaluations: int
    seconds: tuple[float, ...]
    median: float
    nanoseconds: float


class Point(Part):
    """Median seconds of an image of ``pixels`` by ``pixels`` with ``domains``."""

    varied: str
    pixels: int
    domains: int
    seconds: float


class Benchmark(Record):
    """A measurement as ``benchmark.json`` holds it; ``ratios`` by name and workload."""

    file = "benchmark.json"

    machine: dict[str, Any]
    rows: tuple[Timing, ...]
    ratios: dict[str, dict[str, float]]
    scaling: tuple[Point, ...] = ()

    @property
    def workloads(self) -> tuple[str, ...]:
        """Names of the workloads, in the order in which they were measured."""
        return tuple(dict.fromkeys(row.workload for row in self.rows))
