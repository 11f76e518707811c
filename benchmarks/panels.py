"""Time and memory of a detector of 256 panels of 256 x 254 pixels beside those of one panel of as many pixels.

Run with ``python -m benchmarks.panels``; it prints a table, each number from a process of its own.
"""

import gc
import subprocess
import sys
import time
from pathlib import Path

import torch

from nanobrag_torch import (
    BeamConfig,
    Crystal,
    CrystalConfig,
    Detector,
    DetectorConfig,
    PanelConfig,
    PanelGroup,
    PanelledDetector,
    PanelledDetectorConfig,
    Simulator,
)

#: Panels along each edge, pixels of a panel (slow, fast), pixel in mm, distance in mm.
COUNT, SHAPE, PIXEL, DISTANCE = 16, (256, 254), 0.075, 200.0
SHAPES = {"square": {"N_cells": (5, 5, 5)}, "gauss": {"N_cells": (20, 20, 20), "shape": "gauss"}}


def panelled() -> PanelledDetectorConfig:
    """Panels on a grid without gaps, in groups of a row each."""
    high, wide = SHAPE[0] * PIXEL, SHAPE[1] * PIXEL
    panels = [
        PanelConfig(
            f"{i}, {j}", *SHAPE, PIXEL, (DISTANCE, (COUNT / 2 - i) * high, (j - COUNT / 2) * wide), group=f"row {i}"
        )
        for i in range(COUNT)
        for j in range(COUNT)
    ]
    groups = [PanelGroup(f"row {i}", parent="all") for i in range(COUNT)]
    return PanelledDetectorConfig(panels, [*groups, PanelGroup("all")], oversample=1)


def single() -> DetectorConfig:
    """One panel in place of all of them."""
    slow, fast = COUNT * SHAPE[0], COUNT * SHAPE[1]
    return DetectorConfig(DISTANCE, PIXEL, spixels=slow, fpixels=fast, oversample=1)


#: Detectors by their name on the command line of a process that measures one.
DETECTORS = {"one": lambda: Detector(single()), "many": lambda: PanelledDetector(panelled())}


def resident(kind: str) -> float:
    """Resident memory of this process, MiB: "VmRSS" now, "VmHWM" the most since its peak was reset."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return int(next(line for line in lines if line.startswith(kind)).split()[1]) / 1024


def measured(detector: str, shape: str, domains: int, repeats: int = 2) -> tuple[float, float]:
    """Least processor time of some images, seconds, and the memory that they take, MiB.

    Processor time, since other programs on the machine count less in it; compilation does not count, nor does what the
    process holds before its first image.
    """
    crystal = CrystalConfig(
        70.0, 80.0, 90.0, 75.0, 85.0, 95.0, default_F=100.0, mosaic_domains=domains, mosaic_spread_deg=0.3,
        **SHAPES[shape],
    )  # fmt: skip
    simulator = Simulator(Crystal(crystal), DETECTORS[detector](), beam_config=BeamConfig(), dtype=torch.float64)
    simulator.detector.config.roi_xmax = simulator.detector.config.roi_ymax = 9
    simulator.run()  # a corner alone: compiled, and loaded
    simulator.detector.config.roi_xmax = simulator.detector.config.roi_ymax = None
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # resets the peak
    before, times = resident("VmRSS"), []
    for _ in range(repeats):
        start = time.process_time()
        simulator.run()
        times.append(time.process_time() - start)
    return min(times), resident("VmHWM") - before


def in_process(*words: str) -> tuple[float, float]:
    """What :func:`measured` finds in a process of its own."""
    words = (sys.executable, "-m", "benchmarks.panels", *words)
    said = subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()
    return float(said[0]), float(said[1])


def main() -> None:
    """Print a row for each shape and number of domains; with a detector, shape and number, what they take."""
    if len(sys.argv) > 1:
        seconds, memory = measured(sys.argv[1], sys.argv[2], int(sys.argv[3]))
        sys.stdout.write(f"{seconds} {memory}\n")
        return
    sys.stdout.write("shape   domains   one panel/s  256 panels/s  ratio   one panel/MiB  256 panels/MiB  ratio\n")
    for shape in SHAPES:
        for domains in (10, 100):
            (one, its), (many, theirs) = (in_process(name, shape, str(domains)) for name in DETECTORS)
            sys.stdout.write(
                f"{shape:7} {domains:7} {one:13.2f} {many:13.2f} {many / one:6.2f} {its:15.0f} {theirs:15.0f} "
                f"{theirs / its:6.2f}\n"
            )
            sys.stdout.flush()


if __name__ == "__main__":
    main()
