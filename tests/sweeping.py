"""A sweep whose points take as long as a test wants, and a program that computes it: ``python sweeping.py POINTS``."""

import math
import os
import signal
import sys
import time
from pathlib import Path
from typing import ClassVar

import pandas

from nanobrag_torch.workbook.records.sweep import Block, Point, Specification
from nanobrag_torch.workbook.sweeps.cluster import Local, Slurm
from nanobrag_torch.workbook.sweeps.run import Execution, run
from nanobrag_torch.workbook.sweeps.table import PARQUET, PASSING

#: Environment variables of a trial: seconds of a point, the cluster, and numbers of points that kill their worker.
SECONDS, CLUSTER, DEADLY = "TRIAL_SECONDS", "TRIAL_CLUSTER", "TRIAL_DEADLY"


def specification(points: int, name: str = "trial") -> Specification:
    """A sweep of one parameter."""
    block = Block(names=("x",), units=("mm",), rows=tuple((float(number),) for number in range(points)))
    return Specification(name=name, target="scenario.json", kind="scenario", grain="record", blocks=(block,))


def value(number: int) -> float:
    """What a point finds."""
    return math.sqrt(number) / 3


def evaluate(specification: Specification, number: int, sweep: Path, root: Path) -> Point:
    """A point that takes a while, kills its worker, or raises, as its number and the environment say."""
    if str(number) in os.environ.get(DEADLY, "").split(","):
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(float(os.environ.get(SECONDS, "0")))
    return Point(number=number, status="done", columns={"loss": value(number), "nothing": math.nan})


class Counting:
    """An evaluation that notes its calls, and raises an error at some numbers: ``Counting({3: ValueError("three")})``.

    A copy of it reaches the worker, so that the calls are those of the process.
    """

    calls: ClassVar[list[int]] = []

    def __init__(self, at: dict[int, Exception] | None = None):
        self.at = at or {}
        self.calls.clear()

    def __call__(self, specification: Specification, number: int, sweep: Path, root: Path) -> Point:
        self.calls.append(number)
        if number in self.at:
            raise self.at[number]
        return evaluate(specification, number, sweep, root)


def table(folder: Path) -> pandas.DataFrame:
    """The table of a finished sweep, without what passes."""
    return pandas.read_parquet(folder / PARQUET).drop(columns=list(PASSING))


def say(*words: object) -> None:
    """Write a line on standard output."""
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Compute the sweep in the working folder, and print the status that it ends with."""
    clusters = {
        "serial": Local(workers=1),
        "local": Local(workers=2),
        "slurm": Slurm(jobs=2, memory="1 GiB", wall_time="00:10:00"),
    }
    execution = Execution(
        cluster=clusters[os.environ.get(CLUSTER, "local")],
        evaluate=evaluate,
        progress=lambda *counts: say("progress", *counts),
    )
    _, verdict = run(specification(int(sys.argv[1])), execution, lambda *_: None)
    say(verdict.status)


if __name__ == "__main__":
    import sweeping

    # Workers import this file by its name.
    sweeping.main()
