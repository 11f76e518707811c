"""What a diagnosis says: frozen records, written as JSON and read back the same."""

from dataclasses import dataclass
from typing import Literal

from nanobrag_torch.doctor.finite_difference import Agreement, FiniteDifference

#: How much a verdict matters: nothing is wrong; a zero or a scatter that is right and has a reason; right but of little
#: use; wrong; not looked at.
Severity = Literal["healthy", "explained", "warning", "fault", "unexamined"]


@dataclass(frozen=True)
class GradientVerdict:
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
    verdict: GradientVerdict


@dataclass(frozen=True)
class ImageSummary:
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
