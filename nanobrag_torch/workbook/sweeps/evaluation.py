"""Evaluation of one point of a sweep, in whatever process: its grain decides by what."""

from pathlib import Path

from nanobrag_torch.workbook.records.sweep import Point, Specification


def evaluate(specification: Specification, number: int, sweep: Path, root: Path) -> Point:
    """Compute one point. It raises nothing but what ends its process: an error of the point is its cause.

    Args:
        specification: the sweep.
        number: number of the point.
        sweep: folder of the sweep, in which a point of grain "report" leaves its report.
        root: root of the project.
    """
    raise NotImplementedError
