"""Contestants of a measurement: ways of computing an image, or an image and its gradient."""

import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from benchmarks.workloads import HIGHEST_INDEX, Workload, structure_factors

#: Environment variable that names a binary of the C program.
C_BINARY = "NB_C_BIN"
#: Beyond so many evaluations an engine is not asked: the formula holds all of them at once, tiles take minutes.
LARGEST = {"formula": 2**22, "torch": 2**25}


@dataclass(frozen=True)
class Contestant:
    """A way of computing images that is measured.

    Attributes:
        name: Engine, precision, gradient and threads.
        prepare: Makes a workload ready and returns a function that runs it and gives the seconds, or None where the
            contestant does not take part.
        repeats: True if its turn is filled with calls; a process of its own is as cold each time.
    """

    name: str
    prepare: Callable[[Workload], Callable[[], float] | None]
    repeats: bool = True


def ours(
    engine: str, dtype: torch.dtype, gradient: str = "", threads: int | None = None, device: str = "cpu"
) -> Contestant:
    """Make a contestant of this package.

    Args:
        engine: As the simulator takes it.
        dtype: Precision of the evaluation.
        gradient: "" for the image alone, or "cell" or "everything".
        threads: Threads of torch and of the engine; None for those of the process.
        device: "cpu" or "cuda".
    """
    words = [
        engine if device == "cpu" else device,
        str(dtype).removeprefix("torch."),
        gradient and f"+ gradient of {gradient}",
    ]
    words += [f"{threads} thread{'s' if threads > 1 else ''}"] if threads else []

    def prepare(load: Workload) -> Callable[[], float] | None:
        if device == "cpu" and load.evaluations > LARGEST.get(engine, load.evaluations):
            return None
        simulator, leaves = load.simulator(dtype, engine, gradient, device)
        # The gradient of a loss enters as what it is for each pixel, so that the loss itself is not timed.
        loss = torch.rand((load.pixels, load.pixels), dtype=dtype, generator=torch.Generator().manual_seed(2))
        loss = loss.to(device)

        def run() -> float:
            if threads:
                torch.set_num_threads(threads)
            begin = time.perf_counter()
            image = simulator.run()
            assert isinstance(image, torch.Tensor)
            if leaves:
                torch.autograd.grad(image, leaves, loss)
            if device == "cuda":
                torch.cuda.synchronize()
            return time.perf_counter() - begin

        return run

    return Contestant(" ".join(word for word in words if word), prepare)


def c_program(loop_only: bool) -> Contestant | None:
    """Make a contestant of the C program, if the environment names it: its whole process, or its pixel loop alone."""
    binary = os.environ.get(C_BINARY)
    if not binary:
        return None
    path = str(Path(binary).resolve())

    def prepare(load: Workload) -> Callable[[], float]:
        def run() -> float:
            with TemporaryDirectory() as folder:
                if load.table:
                    write_list(Path(folder) / "list.hkl")
                whole = _process([path, *load.arguments()], folder)
                if not loop_only:
                    return whole
                return whole - _process([path, *load.arguments(), "-roi", "0", "0", "0", "0"], folder)

        return run

    return Contestant("C, pixel loop" if loop_only else "C, whole process", prepare, repeats=False)


def write_list(path: Path) -> None:
    """Write the structure factors of the workloads as text."""
    values = structure_factors()
    indices = (torch.nonzero(values > -1) - HIGHEST_INDEX).tolist()
    lines = [f"{h} {k} {l} {value:.3f}" for (h, k, l), value in zip(indices, values.flatten().tolist(), strict=True)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _process(command: list[str], folder: str) -> float:
    begin = time.perf_counter()
    finished = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if finished.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} ended with {finished.returncode}: {finished.stderr[-500:]}")
    return time.perf_counter() - begin


def contestants(threads: int) -> list[Contestant]:
    """Contestants on this machine, the C program among them where there is one."""
    f64, f32 = torch.float64, torch.float32
    own = [
        ours("auto", f64, threads=threads),
        ours("auto", f64, threads=1),
        ours("auto", f32, threads=threads),
        ours("auto", f64, "cell", threads),
        ours("auto", f64, "everything", threads),
        ours("auto", f32, "cell", threads),
        ours("torch", f64, threads=threads),
        ours("formula", f64, threads=threads),
    ]
    if torch.cuda.is_available():
        own += [
            ours("torch", dtype, gradient, device="cuda")
            for dtype in (f64, f32)
            for gradient in ("", "cell", "everything")
        ]
    return own + [program for only in (True, False) if (program := c_program(only)) is not None]
