"""The records of the phases after the first, and the table of every record that has a file of its own in a report."""

from typing import ClassVar

from pydantic import ConfigDict

from nanobrag_torch.workbook.records.parity import Interval, Parity
from nanobrag_torch.workbook.records.run import BY_FILE, Evidence, KeyNumber, Record, exact
from nanobrag_torch.workbook.records.triage import Suite, Triage


class Finding(Record):
    """What the guard says of one gradient check of one test."""

    file: ClassVar[str] = "finding.json"

    test: str
    check: str
    kind: str
    message: str


class AuditedSuite(Record):
    """Tests that ran under the guard; ``hollow`` is the number of those that the guard found to prove nothing."""

    file: ClassVar[str] = "suite.json"

    tests: str
    ran: int
    passed: int
    hollow: int
    findings: tuple[Finding, ...]


class Audit(Record):
    """The gradient checks as they were found beside the repaired ones."""

    file: ClassVar[str] = "audit.json"

    as_found: AuditedSuite
    repaired: AuditedSuite

    def key_numbers(self) -> dict[str, KeyNumber]:
        """How many tests passed and how many of them are hollow, before and after."""
        return {
            f"{name}.{count}": exact(getattr(suite, count))
            for name, suite in (("as_found", self.as_found), ("repaired", self.repaired))
            for count in ("ran", "passed", "hollow")
        }


class Option(Record):
    """One way to give the fixture structure factors: its evidence, and why it is accepted or not."""

    file: ClassVar[str] = "option.json"

    name: str
    evidence: Evidence
    smallest_cancellation: float
    accepted: bool
    because: str


class Options(Record):
    """All options, held to one floor: the least part κ of the contributions that every gradient must keep."""

    file: ClassVar[str] = "options.json"

    floor: float
    options: tuple[Option, ...]
    accepted: int
    chosen: str | None
    """The first option that is accepted; they are listed from the simplest."""

    def key_numbers(self) -> dict[str, KeyNumber]:
        """How many are accepted, and of every option the loss, the gradients and the smallest κ."""
        numbers = {"accepted": exact(self.accepted)}
        for option in self.options:
            name = option.name.replace(" ", "_").replace(",", "")
            numbers |= {f"{name}.{key}": value for key, value in option.evidence.key_numbers().items()}
            numbers[f"{name}.smallest_cancellation"] = KeyNumber(value=option.smallest_cancellation, scale=1.0)
        return numbers


class Verified(Record):
    """The repaired test and its fixture: how it ended, and how strong the gradients are that it looks at."""

    file: ClassVar[str] = "verified.json"

    test: str
    passed: bool
    lit_pixels: int
    agreeing: int
    floor: float
    smallest_cancellation: float
    objection: str

    def key_numbers(self) -> dict[str, KeyNumber]:
        """Lit pixels, agreeing gradients, the smallest κ and its floor."""
        return {
            "lit_pixels": exact(self.lit_pixels),
            "agreeing": exact(self.agreeing),
            "smallest_cancellation": KeyNumber(value=self.smallest_cancellation, scale=1.0),
            "floor": exact(self.floor),
        }


class DiagnosedParameter(Record):
    """What runs are compared by in the doctor's report on one parameter; the rest of that report is not read."""

    model_config = ConfigDict(extra="ignore")
    file: ClassVar[str] = "parameter.json"

    name: str
    gradient: float | None
    magnitude: float | None


class DiagnosedImage(Record):
    """What runs are compared by in the doctor's statistics of an image."""

    model_config = ConfigDict(extra="ignore")
    file: ClassVar[str] = "image.json"

    lit: int


class Diagnosis(Record):
    """What runs are compared by in a report of the doctor, whose schema is the doctor's own."""

    model_config = ConfigDict(extra="ignore")
    file: ClassVar[str] = "diagnosis.json"

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


#: Every record of a report by the name of its file.
RECORDS: dict[str, type[Record]] = (
    BY_FILE
    | {record.file: record for record in (Audit, Options, Verified, Parity, Interval, Suite, Triage)}
    | {"repaired.json": Evidence, "c_program.json": Evidence}
)
#: Everything that a report has key numbers from, by the name of its file.
NUMBERED: dict[str, type[Record]] = RECORDS | {"diagnosis_as_found.json": Diagnosis, "diagnosis.json": Diagnosis}
