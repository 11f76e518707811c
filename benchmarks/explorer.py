"""Latencies of the explorer after a slider moved: ``python -m benchmarks.explorer``.

A triclinic crystal on 256 x 256 pixels, six free quantities. Each move waits for all of its answers; what is told is
the time from the move to image, gradients and verdict in the kernel, beside the goal. The first moves compile and load,
and do not count.
"""

import argparse
import os
import queue
import statistics

from nanobrag_torch import BeamConfig, CrystalConfig, DetectorConfig, Scenario
from nanobrag_torch.quantities import CELL
from nanobrag_torch.workbook.cells.losses import weighted_sum
from nanobrag_torch.workbook.explorer.session import Session
from nanobrag_torch.workbook.explorer.subjects import ExploredScenario

#: Seconds within which each answer should be there.
GOALS = {"picture": 0.1, "gradients": 0.3, "verdict": 1.0}
WARMING = 3


def scenario(pixels: int) -> Scenario:
    """The crystal of the doctor's example, on a detector of 19.2 mm."""
    return Scenario(
        CrystalConfig(70, 80, 90, 75, 85, 95, misset_deg=(10, 20, 30), N_cells=(5, 5, 5), default_F=100),
        DetectorConfig(
            spixels=pixels, fpixels=pixels, pixel_size_mm=19.2 / pixels, detector_rotx_deg=2, oversample=2
        ),
        BeamConfig(wavelength_A=1.0, polarization_factor=0.9),
        names=CELL,
        loss=weighted_sum,
    )  # fmt: skip


def moved(session: Session, told: "queue.Queue[str]", number: int) -> dict[str, float]:
    """Latencies of a move of one of the six, in turn."""
    name = CELL[number % len(CELL)]
    session.move(name, session.controls[name].value + 0.01 * (1 + number % 7))
    while told.get(timeout=600) not in ("done", "error"):
        pass
    assert not session.reason, session.reason
    return dict(session.latencies)


def main() -> int:
    """Print the table; 1 where a median lies above its goal."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--moves", type=int, default=50)
    parser.add_argument("--pixels", type=int, default=256)
    given = parser.parse_args()
    told: queue.Queue[str] = queue.Queue()
    session = Session(ExploredScenario(scenario(given.pixels)), told.put)
    taken = [moved(session, told, number) for number in range(WARMING + given.moves)][WARMING:]
    session.close()
    late = 0
    print(f"{given.moves} moves, {given.pixels} x {given.pixels} pixels, {len(CELL)} free; "
          f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")  # fmt: skip
    for answer, goal in GOALS.items():
        seconds = [each[answer] for each in taken]
        median = statistics.median(seconds)
        late += median > goal
        told_of = f"median {1000 * median:6.0f} ms, worst {1000 * max(seconds):6.0f} ms"
        print(f"{answer:10} {told_of}, goal {1000 * goal:.0f} ms")
    return 1 if late else 0


if __name__ == "__main__":
    raise SystemExit(main())
