"""Evaluation of one point of a sweep, in whatever process: its grain decides by what."""

import errno
from pathlib import Path

from nanobrag_torch.workbook.records.sweep import Point, PointStatus, Specification
from nanobrag_torch.workbook.running.outcomes import Outcome, of_outcome

#: Errors of the disk, after which no point can be kept.
_NO_MORE_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)


def evaluate(specification: Specification, number: int, sweep: Path, root: Path) -> Point:
    """Compute one point. An error of the point is its cause.

    Args:
        specification: the sweep.
        number: number of the point.
        sweep: folder of the sweep, in which a point of grain "report" leaves its report.
        root: root of the project.

    Raises:
        OSError: nothing more can be written.
    """
    try:
        if specification.grain == "report":
            from nanobrag_torch.workbook.sweeps.reported import report

            return report(specification, number, sweep)
        from nanobrag_torch.workbook.sweeps.measured import measure

        return measure(specification, number, root)
    except OSError as error:
        if error.errno in _NO_MORE_ROOM:
            raise
        return _failed(number, error)
    except Exception as error:
        return _failed(number, error)


def _failed(number: int, error: Exception) -> Point:
    verdict = of_outcome(Outcome("raised", type(error).__name__, str(error)))
    status: PointStatus = "blocked" if verdict and verdict.status == "blocked" else "failed"
    return Point(number=number, status=status, cause=f"{type(error).__name__}: {error}")
