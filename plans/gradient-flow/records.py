"""Records of the gradient-flow investigation, and what its findings need."""

from nanobrag_torch.workbook import Diagnosis, Evidence, KeyNumber, Part, Record, exact


class AuditFinding(Part):
    """What the guard says of one gradient check of one test."""

    test: str
    check: str
    kind: str
    message: str


class AuditedSuite(Part):
    """Tests that ran under the guard; ``hollow`` is the number of those that the guard found to prove nothing."""

    tests: str
    ran: int
    passed: int
    hollow: int
    findings: tuple[AuditFinding, ...]


class Audit(Record):
    """The gradient checks as they were found beside the repaired ones."""

    file = "audit.json"
    borne_out_by = {"hollow_checks_repaired": "audit.as_found.hollow > 0 and audit.repaired.hollow == 0"}

    as_found: AuditedSuite
    repaired: AuditedSuite

    def key_numbers(self) -> dict[str, KeyNumber]:
        """How many tests passed and how many of them are hollow, before and after."""
        return {
            f"{name}.{count}": exact(getattr(suite, count))
            for name, suite in (("as_found", self.as_found), ("repaired", self.repaired))
            for count in ("ran", "passed", "hollow")
        }


class Option(Part):
    """One way to give the fixture structure factors: its evidence, and why it is accepted or not."""

    name: str
    evidence: Evidence
    smallest_cancellation: float
    accepted: bool
    because: str


class Options(Record):
    """All options, held to one floor: the least part κ of the contributions that every gradient must keep."""

    file = "options.json"
    borne_out_by = {"option_accepted": "options.accepted > 0"}

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

    file = "verified.json"
    borne_out_by = {
        "repair_verified": "verified.lit_pixels > 0 and verified.smallest_cancellation >= verified.floor",
    }

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


Evidence.register_as(
    "snapshot.json",
    "control.json",
    "repaired.json",
    borne_out_by={
        "dark_image": "snapshot.lit_pixels == 0 and snapshot.loss == 0 and control.lit_pixels > 0",
        "healthy": "snapshot.lit_pixels > 0 and control.lit_pixels > 0",
    },
)
Diagnosis.register_as("diagnosis_as_found.json")
