"""A point of grain "report": a run of a notebook, with a full report of its own below that of the sweep."""

import errno
import os
import shutil
from pathlib import Path

from nanobrag_torch.workbook import project
from nanobrag_torch.workbook.machine.limits import Limits, usual
from nanobrag_torch.workbook.records.run import Manifest
from nanobrag_torch.workbook.records.sweep import Cell, Point, PointStatus, Specification
from nanobrag_torch.workbook.report.folder import RUNNING, Report
from nanobrag_torch.workbook.running.run import PlannedPhase, RunRequest, run
from nanobrag_torch.workbook.sweeps import store

#: Status of a report -> end of its point.
_ENDS: dict[str, PointStatus] = {"passed": "done", "failed": "failed"}


def report(specification: Specification, number: int, sweep: Path) -> Point:
    """Run the notebook of a sweep with the values of a point; its report has the stamp of the sweep.

    Raises:
        InputError: the values are none that the notebook takes.
        OSError: the disk is full.
    """
    phase = f"{number:07d}"
    stamp = sweep.name.removeprefix(".").removesuffix(RUNNING)
    # What an earlier attempt left is none of this one.
    shutil.rmtree(sweep / store.REPORTS / phase, ignore_errors=True)
    folder, verdict = run(_request(specification, number, sweep, phase, stamp), lambda *_: None)
    if verdict.code == "disk_full":
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    manifest = Report(folder).read(Manifest)
    columns: dict[str, Cell] = {"verdict.code": verdict.code, "verdict.status": verdict.status}
    columns |= {name: entry.value for name, entry in manifest.numbers.items()} if manifest else {}
    status = _ENDS.get(verdict.status, "blocked")
    return Point(
        number=number,
        status=status,
        cause="" if status == "done" else f"{verdict.title}. {verdict.sentence}",
        columns=columns,
        report=folder.relative_to(sweep).as_posix(),
    )


def _request(specification: Specification, number: int, sweep: Path, phase: str, stamp: str) -> RunRequest:
    target = project.find(specification.target)
    values = {**specification.fixed, **specification.values(number)}
    return RunRequest(
        brief=target if specification.kind == "brief" else None,
        notebook=target if specification.kind == "notebook" else None,
        reports=sweep,
        stamp=stamp,
        limits=_limits(),
        warm=True,
        planned=PlannedPhase(
            plan=specification.plan,
            initiative=store.REPORTS,
            phase=phase,
            title=f"{specification.name}, point {number}: " + ", ".join(f"{n} = {v}" for n, v in values.items()),
            parameters=values,
        ),
    )


def _limits() -> Limits:
    """Limits of a kernel: the usual time, and the memory of the worker that starts it."""
    from distributed import get_worker

    known = usual()
    try:
        return Limits(known.seconds, get_worker().memory_manager.memory_limit or known.memory)
    except ValueError:
        return known
