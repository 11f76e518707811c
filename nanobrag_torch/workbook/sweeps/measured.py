"""A point of grain "record": one call of a scenario, and the numbers that were asked for."""

from pathlib import Path

from nanobrag_torch.workbook.records.sweep import Point, Specification


def measure(specification: Specification, number: int, root: Path) -> Point:
    """Evaluate the scenario of a sweep with the values of a point; ``root`` is that of the project."""
    raise NotImplementedError
