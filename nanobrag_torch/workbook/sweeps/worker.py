"""Work of one worker: a batch of points, each on disk before anything is said of it."""

import os
import platform
import time
from collections.abc import Iterable
from contextlib import chdir
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from nanobrag_torch.workbook import files
from nanobrag_torch.workbook.errors import Blocked
from nanobrag_torch.workbook.machine import environment
from nanobrag_torch.workbook.records.run import EnvironmentRecord
from nanobrag_torch.workbook.records.sweep import Point, PointStatus, Specification
from nanobrag_torch.workbook.sweeps import evaluation, store

#: File of the coordinator by which a worker sees that both look at the same disk.
PROBE = "probe"
#: Workers that may die over a point before it is set aside.
DEATHS = 2
#: Seconds that a shared disk gets to show a worker what the coordinator wrote.
_SHOWN_S = 10.0


@dataclass(frozen=True)
class Task:
    """Work to be done.

    Attributes:
        sweep: folder of the sweep.
        root: root of the project.
        probe: content of the probe.
        mixed: True where other versions than those that the sweep began with may compute.
        evaluate: function of a point.
    """

    sweep: Path
    root: Path
    probe: str
    mixed: bool = False
    evaluate: evaluation.Evaluate = evaluation.evaluate


@dataclass(frozen=True)
class Ended:
    """End of a point, as much of it as the coordinator needs; ``died`` are the "process host" that it ended."""

    number: int
    status: PointStatus
    seconds: float
    died: tuple[str, ...] = ()


def compute(task: Task, numbers: Iterable[int]) -> list[Ended]:
    """Compute points in their order; those that are on disk already are taken from there.

    A worker that was asked to leave stops between two points. What it returns are those that are on disk then.

    Raises:
        Blocked: this worker sees another disk, or has other versions than the sweep began with.
        OSError: nothing more can be written.
    """
    specification = _prepared(task.sweep, task.probe, task.mixed)
    done = []
    with chdir(task.root):
        for number in numbers:
            if _leaving():
                break
            done.append(_one(specification, number, task))
    return done


def observe(device: str, dtype: str) -> EnvironmentRecord:
    """Environment of a worker."""
    _one_thread()
    return environment.observe(device, dtype, seed=0)


def _one(specification: Specification, number: int, task: Task) -> Ended:
    point = store.read(task.sweep, number)
    died: tuple[str, ...] = ()
    if point is None:
        died = store.begin(task.sweep, number)
        point = _attempted(specification, number, task) if len(died) < DEATHS else _set_aside(number)
        store.write(task.sweep, point.model_copy(update={"deaths": len(died)}))
    store.ended(task.sweep, number)
    return Ended(number, point.status, point.seconds, died)


def _attempted(specification: Specification, number: int, task: Task) -> Point:
    return evaluation.attempt(task.evaluate, specification, number, task.sweep, task.root)


def _set_aside(number: int) -> Point:
    return Point(
        number=number, status="blocked", cause=f"{DEATHS} workers died while they computed it", host=platform.node()
    )


@lru_cache(maxsize=4)
def _prepared(sweep: Path, probe: str, mixed: bool) -> Specification:
    """The sweep, read once a process, after it was seen that the disk is shared and the versions are the same."""
    _see(sweep, probe)
    _one_thread()
    if not mixed:
        began = files.read_record(sweep / EnvironmentRecord.file, EnvironmentRecord)
        here = environment.versions()
        if here != began.versions:
            words = environment.differences(began.versions, here)
            raise Blocked(f"The worker on {platform.node()} has other versions than the sweep began with: {words}.")
    return files.read_record(sweep / Specification.file, Specification)


def _see(sweep: Path, probe: str) -> None:
    deadline = time.monotonic() + _SHOWN_S
    while True:
        try:
            if files.read_text(sweep / store.WORK / PROBE) == probe:
                return
        except files.Unreadable:
            pass
        if time.monotonic() > deadline:
            raise Blocked(
                f"The worker on {platform.node()} does not see {sweep}, where the coordinator writes. Give a "
                "folder that all machines share: --reports FOLDER."
            )
        time.sleep(0.2)


def _one_thread() -> None:
    """One thread a point: in which order a sum is taken, and so its last bits, depends on their number."""
    import torch

    torch.set_num_threads(1)


def _leaving() -> bool:
    """True in a worker that was asked to leave, since its time is up."""
    from distributed import get_worker
    from distributed.core import Status

    try:
        return bool(get_worker().status != Status.running)
    except ValueError:
        return False


def mark_disk(sweep: Path) -> str:
    """Write the probe of a sweep, and return its content."""
    content = os.urandom(16).hex()
    (sweep / store.WORK).mkdir(exist_ok=True)
    files.write(sweep / store.WORK / PROBE, content)
    return content
