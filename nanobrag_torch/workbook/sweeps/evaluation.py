"""Evaluation of one point of a sweep, in whatever process: its grain decides by what."""

import errno
import platform
import time
from collections.abc import Callable
from pathlib import Path

from nanobrag_torch.workbook.records.sweep import Point, PointStatus, Specification
from nanobrag_torch.workbook.running.outcomes import Outcome, of_outcome

#: Computes a point of a sweep: its specification, the number of the point, folder of the sweep, root of the project.
Evaluate = Callable[[Specification, int, Path, Path], Point]
#: Errors of a disk on which no point can be kept.
_NO_MORE_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)


def attempt(evaluate: Evaluate, specification: Specification, number: int, sweep: Path, root: Path) -> Point:
    """A point with its time and host; an error that its evaluation raises is its cause.

    Args:
        evaluate: the evaluation.
        specification: the sweep.
        number: number of the point.
        sweep: folder of the sweep.
        root: root of the project.

    Raises:
        OSError: the disk is full.
    """
    started = time.perf_counter()
    try:
        point = evaluate(specification, number, sweep, root)
    except Exception as error:
        if isinstance(error, OSError) and error.errno in _NO_MORE_ROOM:
            raise
        point = _failed(number, error)
    return point.model_copy(update={"seconds": time.perf_counter() - started, "host": platform.node()})


def _failed(number: int, error: Exception) -> Point:
    """A point that raised an error, by the table that also decides what a notebook came to."""
    verdict = of_outcome(Outcome("raised", type(error).__name__, str(error)))
    status: PointStatus = "blocked" if verdict is not None and verdict.status == "blocked" else "failed"
    return Point(number=number, status=status, cause=f"{type(error).__name__}: {error}")


def evaluate(specification: Specification, number: int, sweep: Path, root: Path) -> Point:
    """Compute one point; an error is raised as it comes.

    Args:
        specification: the sweep.
        number: number of the point.
        sweep: folder of the sweep, in which a point of grain "report" leaves its report.
        root: root of the project.
    """
    # Either brings much along that the other does without.
    if specification.grain == "report":
        from nanobrag_torch.workbook.sweeps.reported import report

        return report(specification, number, sweep)
    from nanobrag_torch.workbook.sweeps.measured import measure

    return measure(specification, number, root)
