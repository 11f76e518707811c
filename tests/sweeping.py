"""A sweep whose points take as long as a test wants, and a program that computes it: ``python sweeping.py POINTS``."""

import math
import os
import signal
import sys
import time
from pathlib import Path
from typing import ClassVar

import pandas
import psutil
from distributed import Status, get_worker

from nanobrag_torch.workbook.records.run import Owner, Repository
from nanobrag_torch.workbook.records.sweep import Block, Point, Specification
from nanobrag_torch.workbook.report.folder import now, this_process
from nanobrag_torch.workbook.sweeps import store
from nanobrag_torch.workbook.sweeps.cluster import Local, Running, Slurm
from nanobrag_torch.workbook.sweeps.run import Execution, run
from nanobrag_torch.workbook.sweeps.table import PARQUET, PASSING

#: Environment variables of a trial: seconds of a point, the cluster or the address of a scheduler, the points that kill
#: their worker, and the point over which the first worker stays until its lifetime is over.
SECONDS, CLUSTER, DEADLY, LINGERING = "TRIAL_SECONDS", "TRIAL_CLUSTER", "TRIAL_DEADLY", "TRIAL_LINGERING"
#: Text that would run if a page took it for its own.
HOSTILE = "</script><script>alert(1)</script>"


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
    lingered = sweep / store.WORK / "lingered"
    if str(number) == os.environ.get(LINGERING) and not lingered.exists():
        lingered.touch()
        while get_worker().status == Status.running:
            time.sleep(0.05)
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


def block(name: str, count: int) -> Block:
    """The whole numbers from 0 as values of a length."""
    return Block(names=(name,), units=("Å",), rows=tuple((float(i),) for i in range(count)))


def underway(folder: Path, *blocks: Block, lacking: int = 0) -> Path:
    """Working folder of a sweep that runs: one point failed, with a hostile cause, and the last ones are lacking."""
    specification = Specification(
        name="cells", target="s.json", kind="scenario", grain="record", measure=("loss",), blocks=blocks
    )
    working = folder / ".20260101T000000Z.running"
    working.mkdir()
    specification.save(working)
    Owner(
        process=this_process(), started=now(), initiative="sweep", phase="cells", stamp="20260101T000000Z",
        title="Sweep cells", notebook="s.json", notebook_sha256="", brief=None, parameters={},
        repository=Repository(commit=None, branch=None, dirty=None),
    ).save(working)  # fmt: skip
    for number in range(specification.count - lacking):
        columns = {"loss": 1.5 * number, "gradient.a": -1.0 * number, "verdict.code": "Z1" if number % 3 else "healthy"}
        point = Point(number=number, status="done", columns=columns, seconds=0.1 * number)
        if number == 1:
            point = Point(number=1, status="failed", cause=f"ValueError: {HOSTILE}")
        store.write(working, point)
    return working


def table(folder: Path) -> pandas.DataFrame:
    """The table of a finished sweep, without what passes."""
    return pandas.read_parquet(folder / PARQUET).drop(columns=list(PASSING))


def say(*words: object) -> None:
    """Write a line on standard output."""
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Compute the sweep in the working folder, and print the status that it ends with.

    Workers that are to be short-lived must not spend their lives on starting, which takes this machine about as long
    as this program has taken so far.
    """
    lifetime = max(10, math.ceil(3 * (time.time() - psutil.Process().create_time())))
    clusters = {
        "serial": Local(workers=1),
        "local": Local(workers=2),
        "slurm": Slurm(jobs=2, memory="1 GiB", wall_time="00:10:00"),
        "short-lived": Slurm(jobs=1, memory="1 GiB", wall_time="00:10:00", lifetime=lifetime),
    }
    asked = os.environ.get(CLUSTER, "local")
    execution = Execution(
        cluster=clusters.get(asked) or Running(asked),
        evaluate=evaluate,
        progress=lambda *counts: say("progress", *counts),
    )
    _, verdict = run(specification(int(sys.argv[1])), execution, lambda *_: None)
    say(verdict.status)


if __name__ == "__main__":
    import sweeping

    # Workers import this file by its name.
    sweeping.main()
