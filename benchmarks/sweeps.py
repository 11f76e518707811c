"""Cost of a sweep beside that of its points: ``python -m benchmarks.sweeps``.

Points that only wait show what handing them out, writing them and collecting them costs: 400 of 0.2 s on two workers,
and 10,000 of 1 ms. With ``--reports``, 24 points of phase A at 128 x 128 as reports, beside single runs of it.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from nanobrag_torch.workbook.records.sweep import Block, Point, Specification
from nanobrag_torch.workbook.sweeps.cluster import Local
from nanobrag_torch.workbook.sweeps.run import Execution, run

WORKERS = 2
PHASE_A = "notebooks/gradient_flow/phase_a_baseline.ipynb"
_SECONDS = "SWEEP_BENCHMARK_SECONDS"
_RUN = "from nanobrag_torch.workbook.commands.main import main; main()"


def wait(specification: Specification, number: int, sweep: Path, root: Path) -> Point:
    """A point that waits as long as the environment says."""
    time.sleep(float(os.environ[_SECONDS]))
    return Point(number=number, status="done", columns={"loss": float(number)})


def waiting(points: int, seconds: float) -> tuple[float, float]:
    """Seconds from the first point to the last, and of the whole sweep."""
    os.environ[_SECONDS] = str(seconds)
    rows = tuple((float(number),) for number in range(points))
    asked = Specification(
        name=f"waiting-{points}", target="none", kind="scenario", grain="record",
        blocks=(Block(names=("x",), units=("",), rows=rows),),
    )  # fmt: skip
    moments = [time.perf_counter()]
    begun: list[float] = []

    def progress(*counts: int) -> None:
        """Note when there are workers, and each batch that came back."""
        if counts[3]:
            begun.append(time.perf_counter())

    run(asked, Execution(cluster=Local(WORKERS), evaluate=wait, progress=progress, again=True), lambda *_: None)
    return begun[-1] - begun[0], time.perf_counter() - moments[0]


def reported(points: int) -> tuple[float, float]:
    """Seconds of a sweep of reports, and of as many single runs, from three of them."""
    steps = ",".join(str(60 + number) for number in range(points))
    words = ["sweep", PHASE_A, "--over", f"cell_a={steps}", "--set", "detector_pixels=128", "--as", "report"]
    return _seconds([*words, "--workers", str(WORKERS), "--name", "phase-a", "--again"]), points / 3 * sum(
        _seconds(["run", PHASE_A, "-p", f"detector_pixels={128}"]) for _ in range(3)
    )


def _seconds(words: list[str]) -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", _RUN, *words], check=True, capture_output=True)
    return time.perf_counter() - started


def main() -> None:
    """Measure in a project of its own, and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--reports", action="store_true")
    reports = parser.parse_args().reports
    with tempfile.TemporaryDirectory() as folder:
        for name in ("notebooks", "plans", "reports"):
            (Path(folder) / name).mkdir()
        os.chdir(folder)
        for points, seconds in ((400, 0.2), (10_000, 0.001)):
            computing, whole = waiting(points, seconds)
            ideal = points * seconds / WORKERS
            each = 1000 * (computing - ideal) * WORKERS / points
            sys.stdout.write(
                f"{points} points of {seconds} s: {computing:.1f} s, {ideal / computing:.2f} of ideal, "
                f"{each:.1f} ms more a point; {whole:.1f} s with start and report\n"
            )
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        sys.stdout.write(f"coordinator: {peak:.0f} MiB\n")
        if reports:
            sweep, single = reported(24)
            sys.stdout.write(f"24 reports: {sweep:.0f} s, {sweep / single:.2f} of 24 single runs ({single:.0f} s)\n")


if __name__ == "__main__":
    # Workers import this module by its name.
    from benchmarks import sweeps

    sweeps.main()
