"""Records of a comparison with the C program: cases beside stored images, gradients beside its differences."""

from typing import Literal

from nanobrag_torch.workbook.records.base import KeyNumber, Part, Record, exact
from nanobrag_torch.workbook.records.evidence import Evidence


class ParityCase(Part):
    """One command line through our command, beside the image that the C program left for it.

    Attributes:
        name: name of the case.
        about: subject of the case, in words.
        pixels: pixels of the image.
        different: pixels beyond the tolerance.
        correlation: correlation of the two images; null for a constant image.
        largest_difference: largest absolute difference, in photons.
        excess: largest difference in units of its pixel's tolerance.
        header: lines of the header that differ; null where no header was stored.
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
        """True where no pixel and no line of the header differs."""
        return self.different == 0 and not self.header


class Parity(Record):
    """All cases, and the name of the one whose images lie furthest apart.

    ``skipped`` names the cases that were not compared, as an interruption ended the comparison.
    """

    file = "parity.json"

    cases: tuple[ParityCase, ...]
    worst: str
    skipped: tuple[str, ...] = ()

    @property
    def differing(self) -> tuple[str, ...]:
        """Names of the cases that do not agree."""
        return tuple(case.name for case in self.cases if not case.agrees)

    def key_numbers(self) -> dict[str, KeyNumber]:
        """Number of cases, of those that agree, and of the pixels that differ in all."""
        return {
            "cases": exact(len(self.cases)),
            "agreeing": exact(len(self.cases) - len(self.differing)),
            "different_pixels": exact(sum(case.different for case in self.cases)),
        }


class IntervalLoss(Part):
    """One loss over an interval: the difference of the C program's images beside the integral of our gradient.

    Attributes:
        loss: name of the loss.
        difference: loss of the second stored image less that of the first.
        error_bar: uncertainty of the difference from the rounding of the stored images.
        integral: integral of the derivative with respect to the wavelength.
        by_cell: integral of the same derivative along the scale of the cell, from the gradients of a, b and c.
        magnitude: sum over pixels of the absolute differences, weighted as in the loss.
    """

    loss: str
    difference: float
    error_bar: float
    integral: float
    by_cell: float
    magnitude: float

    @property
    def agrees(self) -> bool:
        """True where both integrals lie within the error bar of the difference."""
        return max(abs(self.integral - self.difference), abs(self.by_cell - self.difference)) <= self.error_bar


class Interval(Record):
    """Two stored images that differ in the wavelength alone, and our gradient in between.

    Attributes:
        low_case: name of the case at one end; ``high_case`` is that at the other.
        low: wavelength of the first, in Angstrom; ``high`` that of the second.
        nodes: points of the Gauss-Legendre quadrature.
        losses: comparison of each loss.
        pixels: pixels of the image.
        within: pixels whose integral lies within the rounding of the two stored values.
        largest: largest distance of a pixel in units of that rounding.
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
        """True where every loss and every pixel agrees."""
        return self.within == self.pixels and all(loss.agrees for loss in self.losses)

    def key_numbers(self) -> dict[str, KeyNumber]:
        """Both integrals of every loss, and the pixels within rounding."""
        numbers = {"within": exact(self.within)}
        for row in self.losses:
            numbers[f"{row.loss}.integral"] = KeyNumber(value=row.integral, scale=row.magnitude)
            numbers[f"{row.loss}.by_cell"] = KeyNumber(value=row.by_cell, scale=row.magnitude)
        return numbers


Evidence.register_as("c_program.json")
