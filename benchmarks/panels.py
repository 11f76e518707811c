"""Time of a detector of 256 panels of 256 x 254 pixels beside that of one panel of as many pixels.

Run with ``python -m benchmarks.panels``; it prints a table.
"""

import sys
import time

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


def timed(simulator: Simulator, repeats: int = 3) -> float:
    """Shortest of some repetitions, seconds, after one that compiles."""
    times = []
    for _ in range(1 + repeats):
        start = time.perf_counter()
        simulator.run()
        times.append(time.perf_counter() - start)
    return min(times[1:])


def main() -> None:
    """Print a row for each shape and number of domains."""
    sys.stdout.write("shape   domains  one panel/s  256 panels/s  ratio\n")
    for shape, fields in SHAPES.items():
        for domains in (10, 100):
            crystal = CrystalConfig(
                70.0, 80.0, 90.0, 75.0, 85.0, 95.0, default_F=100.0, mosaic_domains=domains, mosaic_spread_deg=0.3,
                **fields,
            )  # fmt: skip
            one, many = (
                timed(Simulator(Crystal(crystal), each, beam_config=BeamConfig(), dtype=torch.float64))
                for each in (Detector(single()), PanelledDetector(panelled()))
            )
            sys.stdout.write(f"{shape:7} {domains:7} {one:12.2f} {many:13.2f} {many / one:6.2f}\n")


if __name__ == "__main__":
    main()
