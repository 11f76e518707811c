"""Lit samples against all samples: ``python -m benchmarks.lit``, and a figure of time against lit samples.

All samples are timed on a window of the image and the time is scaled to the whole. Each evaluation that has a peak of
memory runs in a process of its own.
"""

import argparse
import json
import math
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from nanobrag_torch.config import BeamConfig, CrystalConfig, DetectorConfig
from nanobrag_torch.models import Crystal, Detector
from nanobrag_torch.physics.unit_cell import reciprocal_vectors
from nanobrag_torch.simulator import Simulator

F64 = torch.float64


@dataclass(frozen=True)
class Lit:
    """A scene of GAUSS spots; ``crystal``, ``detector`` and ``beam`` are entries of the configs."""

    name: str
    about: str
    crystal: dict[str, Any]
    detector: dict[str, Any]
    beam: dict[str, Any]
    resolution: float | None = None
    """Angstrom to which a table of structure factors reaches; None is one amplitude for all."""
    window_rows: int = 64

    @property
    def samples(self) -> int:
        """Pixels x sources x orientations."""
        sources = len(self.beam["spectrum"][0]) if "spectrum" in self.beam else 1
        pixels = self.detector["spixels"] * self.detector["fpixels"]
        return int(pixels * sources * self.crystal["mosaic_domains"] * self.crystal.get("phi_steps", 1))

    def simulator(
        self,
        leaves: bool = False,
        rows: int | None = None,
        dtype: torch.dtype = F64,
        engine: str = "auto",
        device: str = "cpu",
    ) -> tuple[Simulator, list[torch.Tensor]]:
        """The simulator, and leaves for cell, misset, N and mosaic spread where asked; ``rows`` bounds the image."""

        def leaf(number: float) -> torch.Tensor:
            return torch.tensor(number, dtype=F64, device=device, requires_grad=True)

        entries = dict(self.crystal)
        asked = []
        for name in ("cell_a", "cell_b", "cell_c", "cell_alpha", "cell_beta", "cell_gamma") if leaves else ():
            entries[name] = leaf(entries[name])
            asked.append(entries[name])
        for name in ("misset_deg", "N_cells", "mosaic_eta_deg") if leaves else ():
            given = entries.get(name, 0.0)
            numbers = given if isinstance(given, tuple) else (given,) * 3
            entries[name] = tuple(leaf(float(number)) for number in numbers)
            asked.extend(entries[name])
        window = {}
        if rows is not None:
            first = (self.detector["spixels"] - rows) // 4
            window = {"roi_xmin": 0, "roi_xmax": self.detector["fpixels"] - 1}
            window |= {"roi_ymin": first, "roi_ymax": first + rows - 1}
        crystal = Crystal(CrystalConfig(**entries), device=device, dtype=F64)
        if self.resolution is not None:
            table, crystal.hkl_metadata = self.table()
            crystal.hkl_data = table.to(device)
        beam = {name: tuple(part.to(device) for part in value) if name == "spectrum" else value
                for name, value in self.beam.items()}  # fmt: skip
        detector = Detector(DetectorConfig(**self.detector, **window), device)
        return Simulator(crystal, detector, beam_config=BeamConfig(**beam), dtype=dtype, engine=engine), asked

    def table(self) -> tuple[torch.Tensor, dict[str, int]]:
        """Random amplitudes to the resolution, and zero beyond it."""
        assert self.resolution is not None
        cell = [self.crystal[f"cell_{name}"] for name in ("a", "b", "c", "alpha", "beta", "gamma")]
        most = [math.ceil(edge / self.resolution) for edge in cell[:3]]
        axes = [torch.arange(-end, end + 1, dtype=F64) for end in most]
        hkl = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1)
        lengths, angles = torch.tensor(cell, dtype=F64).split(3)
        stars = reciprocal_vectors(lengths, torch.deg2rad(angles), "exact")
        near = torch.linalg.vector_norm(hkl @ stars, dim=-1) <= 1 / self.resolution
        amplitudes = 10 + 90 * torch.rand(near.shape, generator=torch.Generator().manual_seed(1), dtype=F64)
        return amplitudes * near, {f"{name}_min": -end for name, end in zip("hkl", most, strict=True)}


_CELL = ("cell_a", "cell_b", "cell_c", "cell_alpha", "cell_beta", "cell_gamma")
_GAUSS = {"shape": "gauss", "mosaic_model": "gaussian", "misset_deg": (10.0, 20.0, 30.0)}


def _cell(*numbers: float) -> dict[str, float]:
    return dict(zip(_CELL, numbers, strict=True))


def _spectrum(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    return 1.3 * torch.linspace(0.997, 1.003, count, dtype=F64), torch.ones(count, dtype=F64)


_W7 = Lit(
    "W7", "N = 30, 25 domains, 100 wavelengths, F to 1.8 A",
    _cell(93.0, 93.0, 130.0, 90.0, 90.0, 120.0) | _GAUSS
    | {"N_cells": (30, 30, 30), "mosaic_domains": 25, "mosaic_eta_deg": 0.05},
    {"spixels": 4362, "fpixels": 4148, "pixel_size_mm": 0.075, "distance_mm": 141.7, "oversample": 1},
    {"spectrum": _spectrum(100)}, resolution=1.8,
)  # fmt: skip
SCENES = {
    scene.name: scene
    for scene in (
        _W7,
        replace(_W7, name="W7, N = 100", crystal=_W7.crystal | {"N_cells": (100, 100, 100)}),
        Lit(
            "W8", "N = 50, 20 phi steps, 50 domains",
            _cell(79.0, 79.0, 37.0, 90.0, 90.0, 90.0) | _GAUSS
            | {"N_cells": (50, 50, 50), "mosaic_domains": 50, "mosaic_eta_deg": 0.1, "osc_range_deg": 1.0,
               "phi_steps": 20, "default_F": 100.0},
            {"spixels": 2527, "fpixels": 2463, "pixel_size_mm": 0.172, "distance_mm": 200.0, "oversample": 1},
            {"wavelength_A": 1.0},
        ),
        Lit(
            "W9", "W3 with GAUSS, N = 10",
            _cell(70.0, 80.0, 90.0, 75.0, 85.0, 95.0)
            | {"shape": "gauss", "N_cells": (10, 10, 10), "mosaic_domains": 100, "mosaic_spread_deg": 0.5,
               "default_F": 100.0},
            {"spixels": 512, "fpixels": 512, "pixel_size_mm": 0.2, "distance_mm": 100.0, "oversample": 1},
            {"wavelength_A": 1.0}, window_rows=512,
        ),
    )
}  # fmt: skip


def seconds(run: Callable[[], Any], rounds: int) -> float:
    """Median of the rounds, after one that warms up."""
    times = []
    for _ in range(rounds + 1):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:])


def dense(scene: Lit, cutoff: float | None = 0.0) -> Lit:
    """The scene with another cutoff."""
    return replace(scene, crystal=scene.crystal | {"cutoff": cutoff})


def gradient(scene: Lit) -> None:
    """Image, and gradient of its sum to cell, misset, N and mosaic spread."""
    simulator, leaves = scene.simulator(leaves=True)
    torch.autograd.grad(simulator.run().sum(), leaves, allow_unused=True)


def measured(scene: Lit, rounds: int) -> dict[str, Any]:
    """Seconds of image, of image and gradient, and of all samples scaled from the window; MiB beyond the image."""
    simulator, _ = scene.simulator()
    whole = scene.detector["spixels"]
    window, _ = dense(scene).simulator(rows=scene.window_rows)
    lit, _ = scene.simulator(rows=scene.window_rows)
    difference = (window.run() - lit.run()).abs().max() / window.run().max()
    return {
        "image": seconds(simulator.run, rounds),
        "gradient": seconds(lambda: gradient(scene), rounds),
        "all samples": seconds(window.run, rounds) * whole / scene.window_rows,
        "difference": float(difference),
        "MiB": _peak(scene.name),
    }


def _peak(name: str) -> float:
    """MiB at the peak of an image and its gradient beyond those of a process that has made the simulator."""
    code = (
        "import resource, sys, torch\n"
        "from benchmarks import lit\n"
        f"scene = lit.SCENES[{name!r}]\n"
        "small, leaves = scene.simulator(leaves=True, rows=8)\n"
        "torch.autograd.grad(small.run().sum(), leaves, allow_unused=True)\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "lit.gradient(scene)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    images = 8 * scene_pixels(SCENES[name]) / 2**20
    return int(done.stdout.split()[-1]) / 1024 - images


def scene_pixels(scene: Lit) -> int:
    """Pixels of the image."""
    return int(scene.detector["spixels"] * scene.detector["fpixels"])


def growth(rounds: int) -> list[tuple[str, float, float]]:
    """(what grows, lit samples, seconds): domains, wavelengths and pixels of W7, from 1e5 to 1e9 lit samples."""
    rows = []
    fraction = 4 / 3 * math.pi * (0.315 * -math.log(1e-16)) ** 1.5 / 30**3
    for what, sides, domains, channels in (
        *(("pixels", side, 5, 10) for side in (64, 256, 1024, 4096)),
        *(("domains", 1024, count, 10) for count in (5, 51, 501)),
        *(("wavelengths", 1024, 5, count) for count in (10, 100, 1000)),
        ("all", 4096, 51, 200),
    ):
        scene = replace(
            _W7,
            crystal=_W7.crystal | {"mosaic_domains": domains, "default_F": 100.0},
            detector=_W7.detector | {"spixels": sides, "fpixels": sides},
            beam={"spectrum": _spectrum(channels)},
            resolution=None,
        )
        simulator, _ = scene.simulator()
        rows.append((what, fraction * scene.samples, seconds(simulator.run, rounds)))
    return rows


def draw(rows: list[tuple[str, float, float]], path: Path) -> None:
    """Figure of time against lit samples, with a line of proportion."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 5), layout="constrained")
    for what, marker in (("pixels", "o"), ("domains", "s"), ("wavelengths", "^"), ("all", "D")):
        points = sorted((lit, taken) for name, lit, taken in rows if name == what)
        axes.plot(*zip(*points, strict=True), marker=marker, label=f"more {what}" if what != "all" else "all three")
    most, taken = max((lit, taken) for _, lit, taken in rows)
    axes.plot([most / 1e4, most], [taken / 1e4, taken], "k:", label="in proportion")
    axes.set(xscale="log", yscale="log", xlabel="lit samples", ylabel="seconds of an image")
    axes.legend()
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main() -> None:
    """Measure the scenes, print a table, and keep it with the figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scene", nargs="*", default=[*SCENES], help=f"of {', '.join(SCENES)}")
    parser.add_argument("--rounds", type=int, default=3, help="rounds after one that warms up")
    parser.add_argument("--growth", action="store_true", help="also measure how time grows with lit samples")
    parser.add_argument(
        "--output", type=Path, default=Path("benchmark-results"), help="folder for lit.json and lit.png"
    )
    asked = parser.parse_args()
    if unknown := set(asked.scene) - set(SCENES):
        parser.error(f"{', '.join(sorted(unknown))}: scenes are {', '.join(SCENES)}")
    table = Table("", "image, s", "image and gradient, s", "all samples, s", "ratio", "difference", "MiB beyond images")
    kept: dict[str, Any] = {
        "machine": f"{platform.machine()}, {os.cpu_count()} CPUs, {torch.get_num_threads()} threads"
    }
    for name in asked.scene:
        found = kept[name] = measured(SCENES[name], asked.rounds)
        ratio = found["all samples"] / found["image"]
        words = [f"{found[key]:.3g}" for key in ("image", "gradient", "all samples")]
        table.add_row(name, *words, f"{ratio:.1f}", f"{found['difference']:.0e}", f"{found['MiB']:.0f}")
    console = Console(width=120)
    console.print(table)
    asked.output.mkdir(parents=True, exist_ok=True)
    if asked.growth:
        kept["growth"] = growth(asked.rounds)
        draw(kept["growth"], asked.output / "lit.png")
    (asked.output / "lit.json").write_text(json.dumps(kept, indent=1))
    console.print(f"Kept in {asked.output}/lit.json")


if __name__ == "__main__":
    main()
