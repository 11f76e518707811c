"""Records of the gradient-flow investigation, and what its findings need."""

from nanobrag_torch.workbook import Diagnosis, Evidence, KeyNumber, Part, Record, exact, number


class AuditFinding(Part):
    """Finding of the gradient guard on one check of one test."""

    test: str
    check: str
    kind: str
    message: str


class AuditedSuite(Part):
    """Tests that ran under the gradient guard; ``hollow`` is the number of those with a vacuous check.

    Where they were ``interrupted`` nothing is counted.
    """

    tests: str
    ran: int
    passed: int
    hollow: int
    findings: tuple[AuditFinding, ...]
    interrupted: bool = False


class Audit(Record):
    """The gradient checks as they were found beside the repaired ones."""

    file = "audit.json"
    borne_out_by = {"hollow_checks_repaired": "audit.as_found.hollow > 0 and audit.repaired.hollow == 0"}

    as_found: AuditedSuite
    repaired: AuditedSuite

    def key_numbers(self) -> dict[str, KeyNumber]:
        """Numbers of tests that ran, passed and are vacuous, before and after."""
        return {
            f"{name}.{count}": exact(getattr(suite, count))
            for name, suite in (("as_found", self.as_found), ("repaired", self.repaired))
            for count in ("ran", "passed", "hollow")
        }

    def headline(self) -> tuple[tuple[str, str], ...]:
        """Checks that prove nothing, before and after."""
        return (
            ("checks as found that prove nothing", f"{self.as_found.hollow} of {self.as_found.ran}"),
            ("repaired checks that prove nothing", f"{self.repaired.hollow} of {self.repaired.ran}"),
        )


class Option(Part):
    """One way to give the fixture structure factors: its evidence, and why it is accepted or not."""

    name: str
    evidence: Evidence
    smallest_cancellation: float
    accepted: bool
    because: str


class Options(Record):
    """All options, held to one floor.

    Attributes:
        floor: least part κ of its contributions that every gradient must keep.
        options: options, from the simplest.
        accepted: number of those that are accepted.
        chosen: name of the first that is accepted.
    """

    file = "options.json"
    borne_out_by = {"option_accepted": "options.accepted > 0"}

    floor: float
    options: tuple[Option, ...]
    accepted: int
    chosen: str | None

    def key_numbers(self) -> dict[str, KeyNumber]:
        """Number of accepted options, and of every option the loss, the gradients and the smallest κ."""
        numbers = {"accepted": exact(self.accepted)}
        for option in self.options:
            name = option.name.replace(" ", "_").replace(",", "")
            numbers |= {f"{name}.{key}": value for key, value in option.evidence.key_numbers().items()}
            numbers[f"{name}.smallest_cancellation"] = KeyNumber(value=option.smallest_cancellation, scale=1.0)
        return numbers

    def headline(self) -> tuple[tuple[str, str], ...]:
        """Smallest κ of every option, beside the floor."""
        return tuple(
            (f"smallest κ, {option.name}", f"{number(option.smallest_cancellation, 2)} ({self.floor:g} is asked)")
            for option in self.options
        )


class Verified(Record):
    """End of the repaired test, and strength of the gradients of its fixture.

    ``interrupted`` names what its reader ended, "the test" or "the fixture"; nothing is said of it.
    """

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
    interrupted: str = ""

    def key_numbers(self) -> dict[str, KeyNumber]:
        """Lit pixels, agreeing gradients, the smallest κ and its floor."""
        return {
            "lit_pixels": exact(self.lit_pixels),
            "agreeing": exact(self.agreeing),
            "smallest_cancellation": KeyNumber(value=self.smallest_cancellation, scale=1.0),
            "floor": exact(self.floor),
        }

    def headline(self) -> tuple[tuple[str, str], ...]:
        """Smallest κ, beside its floor."""
        return (("smallest κ", f"{number(self.smallest_cancellation, 2)} ({self.floor:g} is asked)"),)


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
