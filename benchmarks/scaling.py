"""Scaling: growth of the time of an image with pixels and with domains."""

import statistics
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch

from benchmarks.contestants import ours
from benchmarks.measure import TURN, turn
from benchmarks.workloads import WORKLOADS, Workload

SIDES = (128, 256, 512, 1024, 2048, 4096)
DOMAINS = (1, 4, 16, 64, 256)
#: The crystal and beam of this workload, with as many domains while pixels vary, and so many pixels while domains do.
BASE, FIXED_DOMAINS, FIXED_SIDE = WORKLOADS["W3"], 10, 512


@dataclass(frozen=True)
class ScalingTime:
    """Median seconds of an image of ``pixels`` by ``pixels`` with ``domains``."""

    varied: str
    pixels: int
    domains: int
    seconds: float


def scaling(rounds: int, threads: int, tell: Callable[[str], None]) -> list[ScalingTime]:
    """Image times over sides of the detector and over domains, in float64."""
    loads = [("pixels", replace(BASE, pixels=side, domains=FIXED_DOMAINS)) for side in SIDES]
    loads += [("domains", replace(BASE, pixels=FIXED_SIDE, domains=domains)) for domains in DOMAINS]
    points = []
    for varied, load in loads:
        tell(f"scaling: {load.pixels} pixels, {load.domains} domains")
        points.append(ScalingTime(varied, load.pixels, load.domains, _median(load, rounds, threads)))
    return points


def _median(load: Workload, rounds: int, threads: int) -> float:
    run = ours("auto", torch.float64, threads=threads).prepare(load)
    assert run is not None
    run()
    return statistics.median(turn(run, TURN) for _ in range(rounds))


def as_dicts(points: list[ScalingTime]) -> list[dict[str, Any]]:
    """Dictionaries of the points, for a JSON file."""
    return [asdict(point) for point in points]
