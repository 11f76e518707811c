"""Times on a GPU: ``python -m benchmarks.gpu``, kernels and tiles of torch operations against the compiled loops.

All of them in one run: image, image with its gradient, and how far the image is from that of the compiled loops in
float64. Where the GPU spends its time is asked of torch's profiler. ``--tune`` times the kernels with other blocks.
"""

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from benchmarks.lit import SCENES
from benchmarks.workloads import WORKLOADS
from nanobrag_torch.simulator import Simulator

F64, F32 = torch.float64, torch.float32
#: Beyond so many samples tiles of torch operations are not asked: they would take most of the run.
LARGEST_FOR_TILES = 2**29
#: Seconds that repetitions of one call may take.
TURN = 1.0
#: Names of the kernels that sum over orientations, as a profile shows them.
KERNELS = ("sum_orientations", "pull_back_rays", "pull_back_crystal")
Made = tuple[Simulator, list[torch.Tensor]]


@dataclass(frozen=True)
class Scene:
    """A workload: its samples, and the simulator with leaves or without."""

    name: str
    samples: int
    make: Callable[[bool, torch.dtype, str, str], Made]


def scenes() -> dict[str, Scene]:
    """Workloads W1 to W9 by name; the gradient is that of the cell, from W7 also of orientation, size and mosaicity."""
    found = {}
    for load in WORKLOADS.values():
        found[load.name] = Scene(
            load.name,
            load.evaluations,
            lambda leaves, dtype, engine, device, load=load: load.simulator(
                dtype, engine, "cell" if leaves else "", device
            ),
        )
    for lit in SCENES.values():
        found[lit.name] = Scene(
            lit.name,
            lit.samples,
            lambda leaves, dtype, engine, device, lit=lit: lit.simulator(leaves, None, dtype, engine, device),
        )
    return found


def calls(made: Made) -> Callable[[], torch.Tensor]:
    """The image, and the gradient of its sum to the leaves if there are any."""
    simulator, leaves = made

    def run() -> torch.Tensor:
        image = simulator.run()
        assert isinstance(image, torch.Tensor)
        if leaves:
            torch.autograd.grad(image.sum(), leaves, allow_unused=True)
        if image.is_cuda:
            torch.cuda.synchronize()
        return image.detach()

    return run


def seconds(run: Callable[[], Any]) -> float:
    """Median of the calls that fill a turn, after one that compiles and warms up; one call if it takes as long."""
    run()
    times: list[float] = []
    while sum(times) < TURN and len(times) < 50:
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def shares(run: Callable[[], Any]) -> tuple[float, float]:
    """Seconds of the GPU in the sums over orientations, and in everything else."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
        run()
    sums = rest = 0.0
    for event in profile.key_averages():
        taken = event.self_device_time_total * 1e-6
        if event.key.startswith(KERNELS):
            sums += taken
        else:
            rest += taken
    return sums, rest


def measured(scene: Scene, threads: int) -> Iterator[dict[str, Any]]:
    """Measurements of the contestants on a scene, the compiled loops first."""
    torch.set_num_threads(threads)
    reference = scene.make(False, F64, "numba", "cpu")[0].run()
    for engine, device in (("numba", "cpu"), ("torch", "cuda"), ("triton", "cuda")):
        if engine == "torch" and scene.samples > LARGEST_FOR_TILES:
            continue
        for dtype in (F64, F32):
            image = calls(scene.make(False, dtype, engine, device))
            both = calls(scene.make(True, dtype, engine, device))
            found = {
                "scene": scene.name, "engine": engine, "dtype": str(dtype).removeprefix("torch."),
                "image": seconds(image), "gradient": seconds(both), "samples": scene.samples,
                "difference": float((image().cpu().double() - reference.double()).abs().max() / reference.max()),
            }  # fmt: skip
            if engine == "triton":
                found["sums"], found["rest"] = shares(image)
                found["gradient_sums"], found["gradient_rest"] = shares(both)
            yield found


def line(row: dict[str, Any]) -> str:
    """A row of the table, times in ms."""
    words = [f"{row['scene']:12} {row['engine']:7} {row['dtype']:8}"]
    words += [f"{1e3 * row[key]:10.2f}" for key in ("image", "gradient")]
    words += [f"{row['samples'] / row['image'] / 1e9:9.2f}", f"{row['difference']:9.0e}"]
    words += [f"{1e3 * row[key]:8.2f}" for key in ("sums", "rest", "gradient_sums", "gradient_rest") if key in row]
    return " ".join(words)


HEADER = (
    f"{'scene':12} {'engine':7} {'dtype':8} {'image ms':>10} {'+grad ms':>10} {'Gsamp/s':>9} {'diff':>9}"
    "  GPU: sums, rest; with gradient: sums, rest (ms)"
)


def tune(scene: Scene) -> None:
    """Print the times of the kernels with blocks and warps of other sizes."""
    from nanobrag_torch.kernel.triton_engine import orientations as kernels

    for block, warps in ((32, 1), (64, 1), (64, 2), (128, 1), (128, 2), (128, 4), (256, 4), (512, 4), (256, 8)):
        kernels.BLOCK, kernels.OPTIONS["num_warps"] = block, warps
        words = [f"{scene.name:12} block {block:4} warps {warps}"]
        for dtype in (F64, F32):
            for leaves in (False, True):
                run = calls(scene.make(leaves, dtype, "triton", "cuda"))
                run()
                words.append(f"{1e3 * shares(run)[0]:8.3f}")
        print(*words, "ms of sums: image, with gradient in float64; the same in float32", flush=True)


def main() -> None:
    """Print the table, row by row, and keep it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("scene", nargs="*", default=[*scenes()], help=f"of {', '.join(scenes())}")
    parser.add_argument("--threads", type=int, default=2, help="of the compiled loops")
    parser.add_argument("--tune", action="store_true", help="time blocks and warps of other sizes instead")
    parser.add_argument("--output", type=Path, help="JSON file that is written after each scene")
    given = parser.parse_args()
    if not torch.cuda.is_available():
        parser.error("there is no CUDA device")
    print(torch.cuda.get_device_name(), "torch", torch.__version__, platform.processor(), f"{given.threads} threads")
    rows: list[dict[str, Any]] = []
    if not given.tune:
        print(HEADER)
    for name in given.scene:
        if given.tune:
            tune(scenes()[name])
            continue
        for row in measured(scenes()[name], given.threads):
            rows.append(row)
            print(line(row), flush=True)
        if given.output:
            given.output.write_text(json.dumps({"device": torch.cuda.get_device_name(), "rows": rows}, indent=1))


if __name__ == "__main__":
    main()
