"""Record over the doctor's report: the numbers that runs are compared by; its schema is the doctor's own."""

from typing import Any

from pydantic import ConfigDict

from nanobrag_torch.workbook.formatting import number, with_error
from nanobrag_torch.workbook.records.base import KeyNumber, Part, Record, exact


class DiagnosedDifference(Part):
    """Finite difference of a parameter in a doctor's report."""

    model_config = ConfigDict(extra="ignore")
    derivative: float
    error: float


class DiagnosedParameter(Part):
    """One parameter of a doctor's report; the rest of that report is not read."""

    model_config = ConfigDict(extra="ignore")
    name: str
    label: str = ""
    unit: str = ""
    gradient: float | None
    magnitude: float | None
    finite_difference: DiagnosedDifference | None = None


class DiagnosedImage(Part):
    """Image statistics of a doctor's report."""

    model_config = ConfigDict(extra="ignore")
    lit: int
    pixels: int | None = None


class Diagnosis(Record):
    """A report of the doctor as far as runs are compared by it."""

    model_config = ConfigDict(extra="ignore")
    file = "diagnosis.json"
    borne_out_by = {"healthy": "diagnosis.lit_pixels > 0"}

    loss: float
    image: DiagnosedImage | None
    parameters: tuple[DiagnosedParameter, ...]

    def key_numbers(self) -> dict[str, KeyNumber]:
        """Loss, lit pixels, and every gradient that autograd gave."""
        gradients = {
            f"gradient.{row.name.rpartition('.')[2]}": KeyNumber(
                value=row.gradient,
                scale=row.magnitude or 0.0,
                unit=f"1/{row.unit}" if row.unit else "",
                error=row.finite_difference.error if row.finite_difference else None,
            )
            for row in self.parameters
            if row.gradient is not None
        }
        lit = {} if self.image is None else {"lit_pixels": exact(self.image.lit)}
        return {"loss": exact(self.loss)} | lit | gradients

    def headline(self) -> tuple[tuple[str, str], ...]:
        """Loss and lit pixels, and the gradients that a finite difference stands beside, with its error bar."""
        where = "" if self.image is None or self.image.lit else " of the dark image"
        lit = f"{self.image.lit} of {self.image.pixels}" if self.image and self.image.pixels else ""
        gradients = (
            (f"∂L/∂{row.label}", f"{with_error(row.gradient, row.finite_difference.error)} per {row.unit or 'unit'}")
            for row in self.parameters
            if row.finite_difference is not None and row.gradient is not None and not where
        )
        return ((f"loss{where}", number(self.loss, 6)), *([(f"lit pixels{where}", lit)] if lit else []), *gradients)

    @classmethod
    def schema_of_file(cls) -> dict[str, Any]:
        """JSON schema of the whole file, which the doctor knows."""
        from nanobrag_torch.doctor import report_schema

        return report_schema()
