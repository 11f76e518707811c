"""What a diagnosis says: frozen records, written as JSON and read back the same."""

from dataclasses import dataclass, replace
from typing import Any, Literal

from nanobrag_torch.doctor import codec
from nanobrag_torch.doctor.finite_difference import Agreement, FiniteDifference

#: Bumped when a field changes its meaning or goes away.
SCHEMA_VERSION = 1

#: How much a verdict matters: nothing is wrong; a zero or a scatter that is right and has a reason; right but of little
#: use; wrong; not looked at.
Severity = Literal["healthy", "explained", "warning", "fault", "unexamined"]


@dataclass(frozen=True)
class Verdict:
    """A named cause: its code, what it means here, the numbers behind it, where it acts, and what to do.

    ``stage`` is the step of the physics, None outside the simulator; ``source`` the line of code, None if unknown.
    """

    code: str
    severity: Severity
    title: str
    remedy: str
    evidence: dict[str, float | str]
    stage: str | None = None
    source: str | None = None


@dataclass(frozen=True)
class ParameterReport:
    """One parameter, or one element or direction of a parameter that is a larger tensor.

    ``connected`` says whether the backward graph of the loss reaches it. ``magnitude`` is the sum over pixels of the
    absolute contributions to the derivative, ``cancellation`` the part of it that remains; both None without an image.
    ``single`` is the gradient in single precision, ``fresh`` the finite difference on rebuilt objects. None is "not
    measured", but for ``gradient``, where it is what autograd returned.
    """

    name: str
    label: str
    unit: str
    value: float
    leaf: bool
    connected: bool
    gradient: float | None
    finite_difference: FiniteDifference | None
    forward_derivative: float | None
    agreement: Agreement
    magnitude: float | None
    cancellation: float | None
    single: float | None
    fresh: float | None
    verdict: Verdict


@dataclass(frozen=True)
class ImageStatistics:
    """The image at the point of evaluation; ``lit`` counts pixels that are not zero."""

    pixels: int
    lit: int
    total: float
    largest: float
    finite: bool


@dataclass(frozen=True)
class Stage:
    """A step of the physics: largest value, largest adjoint (derivative of the loss by it), and how many are zero.

    ``signal`` is the sum of |value x adjoint|, in the unit of the loss at every stage: it shows where the signal dies.
    """

    name: str
    elements: int
    value: float
    adjoint: float
    signal: float
    zero_values: int
    zero_adjoints: int


@dataclass(frozen=True)
class NullDirection:
    """A change of parameters that no pixel notices: components of at least a hundredth, and why, where it is known."""

    components: dict[str, float]
    eigenvalue: float
    known: str


@dataclass(frozen=True)
class Fisher:
    """What the image can tell about the parameters under photon counting.

    ``matrix`` is in the parameters' units; ``rank``, ``condition`` and null directions are those of the matrix scaled
    to unit diagonal. Standard errors and ``correlations`` are None where the matrix has no inverse.
    """

    names: tuple[str, ...]
    matrix: tuple[tuple[float, ...], ...]
    rank: int
    condition: float
    standard_errors: tuple[float, ...] | None
    correlations: tuple[tuple[float, ...], ...] | None
    null_directions: tuple[NullDirection, ...]


@dataclass(frozen=True)
class Revival:
    """A change that alone (or with the others named) puts signal into a dark image."""

    factor: str
    change: str
    code: str
    stage: str


@dataclass(frozen=True)
class Cost:
    """Evaluations of the loss, expected beforehand and spent; where ``complete`` is False the budget stopped them."""

    expected: int
    evaluations: int
    seconds: float
    complete: bool


@dataclass(frozen=True)
class GradientReport:
    """The diagnosis of one loss and its parameters.

    ``verdict`` is the gravest of the parameters'. ``repeatable`` says whether the same values gave the same loss twice.
    """

    subject: str
    dtype: str
    loss: float
    repeatable: bool
    verdict: Verdict
    parameters: tuple[ParameterReport, ...]
    image: ImageStatistics | None
    stages: tuple[Stage, ...]
    fisher: Fisher | None
    revivals: tuple[Revival, ...]
    cost: Cost
    schema_version: int = SCHEMA_VERSION

    def __getitem__(self, name: str) -> ParameterReport:
        """The parameter of that name. Raises ``KeyError``, naming those examined, for another."""
        for parameter in self.parameters:
            if parameter.name == name:
                return parameter
        raise KeyError(f"{name!r}: must be one of {', '.join(p.name for p in self.parameters)}")

    @property
    def codes(self) -> dict[str, str]:
        """The verdict's code of every parameter."""
        return {parameter.name: parameter.verdict.code for parameter in self.parameters}

    @property
    def alarms(self) -> tuple[ParameterReport, ...]:
        """The parameters whose gradient is at fault."""
        return tuple(p for p in self.parameters if p.verdict.severity == "fault")

    def to_json(self) -> str:
        """The report as JSON; :meth:`from_json` gives an equal one."""
        return codec.to_json(self)

    @classmethod
    def from_json(cls, text: str) -> "GradientReport":
        """The report in ``text``. Raises ``ValueError``, saying where, for anything else."""
        return codec.from_json(cls, text)

    def _repr_html_(self) -> str:
        from nanobrag_torch.doctor.html import table

        return table(self)

    def without_timing(self) -> "GradientReport":
        """The same report with its seconds set to zero: equal for equal work."""
        return replace(self, cost=replace(self.cost, seconds=0.0))


def report_schema() -> dict[str, Any]:
    """The JSON schema of a report."""
    return codec.schema(GradientReport)
