"""Many stills with one detector measured: ``python -m benchmarks.refine_many --stills 100 --processes 2``.

Every still is drawn with noise, in the process that evaluates it; its orientation, numbers of cells and fluence are its
own, the distance and the beam's centre are shared. Printed are errors, seconds of each phase, and bytes that come back.
"""

import argparse
import pickle
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from multiprocessing import get_context

import numpy as np
import torch
from rich.console import Console

from benchmarks.refine import MISSET, N_CELLS, still
from nanobrag_torch.refine import ManyProgress, refine_many
from nanobrag_torch.refine.many import Still, evaluated
from nanobrag_torch.scenario import Scenario

SHARED = ("detector.distance_mm", "detector.beam_center_s", "detector.beam_center_f")
OWN = (*MISSET, *N_CELLS, "beam.fluence")
#: Errors of the start: of the shared quantities in mm, of each turn in degrees.
SHIFT_MM, TURN_DEG = 0.05, 0.02


def scenarios(count: int, pixels: int, domains: int) -> list[tuple[Scenario, Scenario]]:
    """Truth and start of each still."""
    generator = np.random.default_rng(3)
    made = []
    for _ in range(count):
        misset = generator.uniform(-80, 80, 3)
        truth = still(pixels, domains, OWN, misset_deg=tuple(misset.tolist()))
        start = replace(truth, crystal=replace(truth.crystal, misset_deg=tuple((misset + TURN_DEG).tolist())))
        moved = {name.split(".")[1]: truth.value(name) + SHIFT_MM for name in SHARED}
        made.append((truth, start.changed(detector=moved)))
    return made


def drawn(truth: Scenario, seed: int) -> torch.Tensor:
    """Counts of a still."""
    return torch.poisson(truth.image().detach(), generator=torch.Generator().manual_seed(seed))


def main() -> None:
    """Refine, and print a line for each phase."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stills", type=int, default=100)
    parser.add_argument("--pixels", type=int, default=256)
    parser.add_argument("--domains", type=int, default=4)
    parser.add_argument("--processes", type=int, default=2)
    given = parser.parse_args()
    console = Console()
    pairs = scenarios(given.stills, given.pixels, given.domains)
    began, ends = time.monotonic(), {"stills": 0.0, "together": 0.0}

    def told(progress: ManyProgress) -> None:
        ends[progress.phase] = progress.seconds

    # One thread a process: processes share the cores already.
    with ProcessPoolExecutor(
        given.processes, mp_context=get_context("spawn"), initializer=torch.set_num_threads, initargs=(1,)
    ) as executor:
        found = refine_many(
            [start for _, start in pairs],
            [partial(drawn, truth, seed) for seed, (truth, _) in enumerate(pairs)],
            SHARED,
            executor=executor,
            progress=told,
        )
    console.print(str(found))
    for name in SHARED:
        error = found[name].value - pairs[0][0].value(name)
        console.print(f"{name}: {error:+.5f} mm off, {error / (found[name].sigma or np.inf):+.2f} standard errors")
    first, together = ends["stills"], ends["together"] - ends["stills"]
    console.print(
        f"each by itself {first:.1f} s, together {together:.1f} s for {found.rounds} rounds, "
        f"{time.monotonic() - began:.1f} s in all"
    )
    truth, start = pairs[0]
    one = Still(replace(start, names=(*OWN, *SHARED)), drawn(truth, 0), 0.0, SHARED, {})
    state = {name: start.value(name) for name in (*OWN, *SHARED)}
    console.print(f"bytes that come back from a still in a round: {len(pickle.dumps(evaluated(one, state, state)))}")


if __name__ == "__main__":
    main()
