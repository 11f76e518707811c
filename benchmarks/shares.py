"""Parts of an image and of its gradient that take the time: ``python -m benchmarks.shares W6``.

Every part is called by itself, on one thread, and the processor's time for it is taken, which other programs on the
machine change least. The compiled loops are those of the engine; the graph is that of cell and geometry, forwards and
backwards, without any pixel.
"""

import argparse
import time
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from benchmarks.workloads import WORKLOADS, Workload
from nanobrag_torch.kernel.numba_engine.engine import CompiledLoops
from nanobrag_torch.kernel.tables import tables
from nanobrag_torch.scene import tensors_of

#: Calls of each part; the time of a part is their lower quartile.
CALLS = 60


def milliseconds(part: Callable[[], object]) -> float:
    """Processor time of a call."""
    taken = []
    part()
    for _ in range(CALLS):
        begin = time.process_time()
        part()
        taken.append(time.process_time() - begin)
    return 1e3 * sorted(taken)[CALLS // 4]


def shares(load: Workload, gradient: str) -> dict[str, float]:
    """Milliseconds of the parts of an image, or of an image and its ``gradient`` of the "cell" or of "everything"."""
    simulator, leaves = load.simulator(torch.float64, "numba", gradient)
    scene, pixels, engine = simulator.scene(), simulator.pixels(), CompiledLoops()
    found = {
        "scene": milliseconds(simulator.scene),
        "tables and loops, forwards": milliseconds(lambda: engine.image(scene, pixels)),
        "whole": milliseconds(lambda: _evaluate(simulator.run(), leaves)),
    }
    if leaves:
        made, bars = tables(scene), torch.rand(len(pixels), dtype=torch.float64)
        connected = [tensor for tensor in tensors_of(scene) if tensor.requires_grad]
        ones = [torch.ones_like(tensor) for tensor in connected]
        found |= {
            "loops, backwards": milliseconds(lambda: engine.pull_back(scene, made, pixels, bars)),
            "graph, backwards": milliseconds(
                lambda: torch.autograd.grad(connected, leaves, ones, retain_graph=True, allow_unused=True)
            ),
        }
    return found | {"rest": 2 * found["whole"] - sum(found.values())}


def _evaluate(image: object, leaves: Sequence[Tensor]) -> None:
    assert isinstance(image, Tensor)
    if leaves:
        torch.autograd.grad(image, leaves, torch.ones_like(image))


def main() -> None:
    """Print the parts of each workload."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("workload", nargs="*", default=["W6"], choices=WORKLOADS)
    torch.set_num_threads(1)
    for name in parser.parse_args().workload:
        for gradient in ("", "cell", "everything"):
            found = shares(WORKLOADS[name], gradient)
            parts = "  ".join(f"{part} {taken:.2f}" for part, taken in found.items())
            print(f"{name} {gradient or 'image':10}  {parts}  (ms of one processor)")


if __name__ == "__main__":
    main()
