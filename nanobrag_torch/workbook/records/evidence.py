"""Records of evidence: a run of the mapped test, and a physical case with its gradients beside finite differences."""

from typing import ClassVar, Literal

from nanobrag_torch.workbook.formatting import number, with_error
from nanobrag_torch.workbook.records.base import KeyNumber, Part, Record, exact

#: End of a mapped test; "none" where the run was to be without one, "interrupted" where its reader ended it.
TestStatus = Literal["passed", "failed", "blocked", "none", "interrupted"]
#: How a run without a mapped test is called.
WITHOUT_TEST = "without a mapped test"
#: Files that a mapped test leaves beside its record: what pytest printed, its JUnit report, its exit code.
LOG, XML, EXIT_CODE = TEST_FILES = ("pytest.log", "pytest.xml", "exit_code.txt")


class TestRecord(Record):
    """One run of pytest on the mapped test.

    Attributes:
        test: pytest ids, separated by blanks; empty where there was to be no test.
        command: the run as a person would type it.
        exit_code: exit code of pytest; null where it did not end by itself.
        meaning: the end in words.
        message: message of the failure; empty without one.
        elapsed_s: duration in seconds.
    """

    __test__: ClassVar[bool] = False
    file = "test.json"

    test: str
    command: str
    status: TestStatus
    exit_code: int | None
    meaning: str
    message: str
    elapsed_s: float

    def headline(self) -> tuple[tuple[str, str], ...]:
        """End of the test, and its duration."""
        when = "after" if self.status == "interrupted" else "in"
        ended = WITHOUT_TEST if self.status == "none" else f"{self.status} {when} {self.elapsed_s:.1f} s"
        return (("mapped test", ended),)


class GradientsJson(Record):
    """Loss and gradients in the shape that briefs ask for: null where autograd gave no gradient."""

    file = "gradients.json"

    loss: float
    gradients: dict[str, float | None]


class Derivative(Part):
    """One parameter: the gradient by autograd beside the finite difference with its error bar.

    ``magnitude`` is the sum over pixels of the absolute contributions to the derivative, ``cancellation`` the part of
    it that is left in the net gradient; both are null where there is nothing to divide by.
    """

    parameter: str
    symbol: str
    value: float
    unit: str
    gradient: float | None
    finite_difference: float
    error_bar: float
    magnitude: float
    cancellation: float | None
    agreement: Literal["agrees", "disagrees", "inconclusive", "zero", "missing", "not finite"]

    @property
    def distance(self) -> float | None:
        """Distance of gradient and finite difference as a part of ``magnitude``; None without either."""
        if self.gradient is None or not self.magnitude:
            return None
        return abs(self.gradient - self.finite_difference) / self.magnitude


class Evidence(Record):
    """One physical case: loss, image statistics, and every derivative with its check.

    ``unchecked`` names the parameters whose checks were left out, as an interruption ended them.
    """

    file = "evidence.json"

    case: str
    default_F: float
    loss: float
    image_sum: float
    image_max: float
    lit_pixels: int
    pixels: int
    derivatives: tuple[Derivative, ...]
    unchecked: tuple[str, ...] = ()

    @property
    def dark(self) -> bool:
        """True where every pixel is exactly zero."""
        return self.lit_pixels == 0

    def key_numbers(self) -> dict[str, KeyNumber]:
        """Loss, lit pixels, and every gradient that autograd gave."""
        gradients = {
            f"gradient.{row.parameter}": KeyNumber(
                value=row.gradient, scale=row.magnitude, unit=f"1/{row.unit}", error=row.error_bar
            )
            for row in self.derivatives
            if row.gradient is not None
        }
        return {"loss": exact(self.loss), "lit_pixels": exact(self.lit_pixels)} | gradients

    def headline(self) -> tuple[tuple[str, str], ...]:
        """Loss, and the numbers by which a dark case or a lit one is judged."""
        if self.dark:
            gradients = [abs(row.gradient) for row in self.derivatives if row.gradient is not None]
            return (
                (f"loss, {self.case}", number(self.loss, 6)),
                (f"largest |gradient|, {self.case}", number(max(gradients, default=None), 6)),
                (f"lit pixels, {self.case}", f"{self.lit_pixels} of {self.pixels}"),
            )
        distances = [row.distance for row in self.derivatives if row.distance is not None]
        return (
            (f"loss, {self.case} (F = {self.default_F:g} electrons)", number(self.loss, 6)),
            (f"lit pixels, {self.case}", f"{self.lit_pixels} of {self.pixels}"),
            *(
                (f"∂L/∂{row.symbol}, {self.case}", f"{with_error(row.gradient, row.error_bar)} per {row.unit}")
                for row in self.derivatives
            ),
            (f"{self.case}: worst |autograd − difference| / A", number(max(distances, default=None), 1)),
        )
