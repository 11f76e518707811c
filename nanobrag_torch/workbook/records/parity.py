"""The records of a comparison with the C program: cases beside stored images, and gradients beside its differences."""

from typing import Literal

from nanobrag_torch.workbook.records.base import KeyNumber, Part, Record, exact
from nanobrag_torch.workbook.records.evidence import Evidence


class ParityCase(Part):
    """One command line through our command, beside what the C program left for it.

    ``different`` counts pixels beyond the tolerance, ``excess`` is the largest difference in units of its pixel's
    tolerance; ``correlation`` is null for a constant image. ``header`` are the lines that differ, null where no header
    was stored.
    """

    name: str
    about: str
    pixels: int
    different: int
    correlation: float | None
    largest_difference: float
    excess: float
    header: tuple[str, ...] | None

    @property
    def agrees(self) -> bool:
        """Whether no pixel and no line of the header differs."""
        return self.different == 0 and not self.header


class Parity(Record):
    """All cases, and the name of the one whose images lie furthest apart."""

    file = "parity.json"

    cases: tuple[ParityCase, ...]
    worst: str

    @property
    def differing(self) -> tuple[str, ...]:
        """The names of the cases that do not agree."""
        return tuple(case.name for case in self.cases if not case.agrees)

    def key_numbers(self) -> dict[str, KeyNumber]:
        """How many cases there are and agree, and how many pixels differ in all."""
        return {
            "cases": exact(len(self.cases)),
            "agreeing": exact(len(self.cases) - len(self.differing)),
            "different_pixels": exact(sum(case.different for case in self.cases)),
        }


class IntervalLoss(Part):
    """One loss over an interval: the difference of the C program's images beside the integral of our gradient.

    ``error_bar`` is what the rounding of the stored images leaves open. ``by_cell`` is the integral of the same
    derivative taken along the scale of the cell, from the gradients of a, b and c.
    """

    loss: str
    difference: float
    error_bar: float
    integral: float
    by_cell: float
    magnitude: float

    @property
    def agrees(self) -> bool:
        """Whether both integrals lie within the error bar of the difference."""
        return max(abs(self.integral - self.difference), abs(self.by_cell - self.difference)) <= self.error_bar


class Interval(Record):
    """Two stored images that differ in the wavelength alone, and our gradient in between.

    ``within`` counts pixels whose integral lies within the rounding of the two stored values, ``largest`` is the
    furthest distance in units of that rounding.
    """

    file = "interval.json"

    low_case: str
    high_case: str
    unit: Literal["Å"] = "Å"
    low: float
    high: float
    nodes: int
    losses: tuple[IntervalLoss, ...]
    pixels: int
    within: int
    largest: float

    @property
    def agrees(self) -> bool:
        """Whether every loss and every pixel agrees."""
        return self.within == self.pixels and all(loss.agrees for loss in self.losses)

    def key_numbers(self) -> dict[str, KeyNumber]:
        """Both integrals of every loss, and the pixels within rounding."""
        numbers = {"within": exact(self.within)}
        for row in self.losses:
            numbers[f"{row.loss}.integral"] = KeyNumber(value=row.integral, scale=row.magnitude)
            numbers[f"{row.loss}.by_cell"] = KeyNumber(value=row.by_cell, scale=row.magnitude)
        return numbers


Evidence.register_as("c_program.json")
