"""Record over the doctor's report: the numbers that runs are compared by; its schema is the doctor's own."""

from typing import Any

from pydantic import ConfigDict

from nanobrag_torch.workbook.records.base import KeyNumber, Part, Record, exact


class DiagnosedParameter(Part):
    """One parameter of a doctor's report; the rest of that report is not read."""

    model_config = ConfigDict(extra="ignore")
    name: str
    gradient: float | None
    magnitude: float | None


class DiagnosedImage(Part):
    """Image statistics of a doctor's report."""

    model_config = ConfigDict(extra="ignore")
    lit: int


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
            f"gradient.{row.name.rpartition('.')[2]}": KeyNumber(value=row.gradient, scale=row.magnitude or 0.0)
            for row in self.parameters
            if row.gradient is not None
        }
        lit = {} if self.image is None else {"lit_pixels": exact(self.image.lit)}
        return {"loss": exact(self.loss)} | lit | gradients

    @classmethod
    def schema_of_file(cls) -> dict[str, Any]:
        """JSON schema of the whole file, which the doctor knows."""
        from nanobrag_torch.doctor import report_schema

        return report_schema()
