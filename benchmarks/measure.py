"""Times of all contestants on all workloads, taken in turns so that a busy machine slows everyone alike."""

import os
import platform
import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numba
import torch

from benchmarks.contestants import Contestant
from benchmarks.workloads import Workload

#: Seconds of a turn.
TURN = 0.3


@dataclass(frozen=True)
class Timing:
    """Seconds of a call in each round of one contestant on one workload."""

    workload: str
    contestant: str
    evaluations: int
    seconds: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        """Median of the rounds, seconds."""
        return statistics.median(self.seconds)

    @property
    def nanoseconds(self) -> float:
        """Median time of one evaluation."""
        return 1e9 * self.median / self.evaluations


@dataclass(frozen=True)
class Measurement:
    """Timings, and the machine that they belong to."""

    machine: dict[str, Any]
    rows: list[Timing]

    def row(self, workload: str, contestant: str) -> Timing | None:
        """Timing of a contestant on a workload, or None where it did not take part."""
        return next((row for row in self.rows if (row.workload, row.contestant) == (workload, contestant)), None)

    def as_dict(self) -> dict[str, Any]:
        """Dictionary of everything, for a JSON file."""
        rows = [asdict(row) | {"median": row.median, "nanoseconds": row.nanoseconds} for row in self.rows]
        return {"machine": self.machine, "rows": rows}


def turn(run: Callable[[], float], seconds: float) -> float:
    """Median time of the calls that fill so many ``seconds``, without the first, which finds the caches of others.

    A call that takes longer than that is its own turn.
    """
    first = run()
    times: list[float] = []
    while first + sum(times) < seconds:
        times.append(run())
    return statistics.median(times or [first])


def measure(
    loads: Sequence[Workload], entrants: Sequence[Contestant], rounds: int, tell: Callable[[str], None]
) -> Measurement:
    """Run every contestant once to warm up, then in turns of repeated calls.

    Args:
        loads: Workloads.
        entrants: Contestants.
        rounds: Turns of each contestant on each workload.
        tell: Called with a line of progress.
    """
    rows = []
    for load in loads:
        ready = [(entrant, entrant.prepare(load)) for entrant in entrants]
        taking_part = [(entrant, run) for entrant, run in ready if run is not None]
        for entrant, run in taking_part:
            tell(f"{load.name}: {entrant.name}")
            run()
        results = [Timing(load.name, entrant.name, load.evaluations) for entrant, _ in taking_part]
        for number in range(rounds):
            tell(f"{load.name}: round {number + 1} of {rounds}")
            for row, (entrant, run) in zip(results, taking_part, strict=True):
                row.seconds.append(turn(run, TURN) if entrant.repeats else run())
        rows += results
    return Measurement(machine(), rows)


def machine() -> dict[str, Any]:
    """Conditions of a measurement: processor, vector registers, threads, versions."""
    import llvmlite.binding as llvm

    features = llvm.get_host_cpu_features()
    width = next((bits for name, bits in (("avx512f", 512), ("avx2", 256)) if features.get(name)), 128)
    return {
        "processor": platform.processor() or platform.machine(),
        "llvm_name": llvm.get_host_cpu_name(),
        "vector_bits": width,
        "NUMBA_CPU_FEATURES": os.environ.get("NUMBA_CPU_FEATURES", ""),
        "cores": os.cpu_count(),
        "load_average": os.getloadavg() if hasattr(os, "getloadavg") else None,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numba": numba.__version__,
    }
