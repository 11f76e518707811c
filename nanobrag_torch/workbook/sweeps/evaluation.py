"""Evaluation of one point of a sweep, in whatever process: its grain decides by what."""

from pathlib import Path

from nanobrag_torch.workbook.records.sweep import Point, Specification


def evaluate(specification: Specification, number: int, sweep: Path, root: Path) -> Point:
    """Compute one point. Whatever it raises becomes the cause of the point, but for a disk that is full.

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
