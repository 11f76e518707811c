"""Records of a diagnosis: frozen, written as JSON and read back the same."""

from dataclasses import dataclass
from typing import Literal

from .finite_difference import Agreement, FiniteDifference

#: Weight of a verdict: nothing is wrong; a zero or a scatter that is right and has a reason; right but of little use;
#: wrong; not examined.
Severity = Literal["healthy", "explained", "warning", "fault", "unexamined"]


#: Kinds of elements by the mark of a picture, the gravest last: it is shown where several meet in a cell.
MARKS = {".": "right", "0": "zero", "?": "suspect", "W": "wrong", "n": "not finite"}


@dataclass(frozen=True)
class GradientVerdict:
    """A named cause of what a gradient is.

    Attributes:
        code: name of the cause, "Z1"; "healthy"; "unexamined"; or "modes" of a module. docs/doctor.md explains them.
        severity: weight of the verdict.
        title: meaning, in words.
        remedy: what to do, in words.
        evidence: numbers and places that speak for it, by name.
        stage: step of the physics at which it acts; None outside the simulator.
        source: line of code, "file.py:12: text"; None if unknown.
    """

    code: str
    severity: Severity
    title: str
    remedy: str
    evidence: dict[str, float | str]
    stage: str | None = None
    source: str | None = None


@dataclass(frozen=True)
class SecondDerivative:
    """Second derivative of the loss: by the parameter, of the slope along one fixed direction v.

    The direction moves every parameter by 0.3 of its value, or of 1, up its gradient.

    Attributes:
        product: component of the Hessian-vector product H·v, in the loss's unit per unit of the parameter; None where
            the slope's graph does not reach the parameter.
        finite_difference: the same by differences of gradients.
        agreement: both compared.
        verdict: the named cause.
    """

    product: float | None
    finite_difference: FiniteDifference | None
    agreement: Agreement
    verdict: GradientVerdict


@dataclass(frozen=True)
class Elements:
    """Elements of a tensor that is examined along a direction, by what is the matter with their gradient.

    The kinds are "zero", "not finite", "wrong" (the finite difference along the element differs), and "suspect" (that
    along a block of elements differs, which was not searched to the end).

    Attributes:
        shape: shape of the tensor.
        counts: number of elements by kind; a kind that is not met is left out. A zero may be wrong as well.
        first: indices of the first hundred elements by kind, but for "suspect".
        picture: rows of marks, "." for right, "0", "n", "W" and "?" for the kinds in this order, at most 64 in 64; the
            gravest of a cell is shown. All dimensions but the last make the rows; a vector runs on from row to row.
        cell: rows and columns of elements that one mark stands for.
        calls: calls of the function that the search for wrong elements took; 0 where nothing called for one.
    """

    shape: tuple[int, ...]
    counts: dict[str, int]
    first: dict[str, tuple[tuple[int, ...], ...]]
    picture: tuple[str, ...]
    cell: tuple[int, ...]
    calls: int


@dataclass(frozen=True)
class ParameterReport:
    """One parameter, or one element or direction of a parameter that is a larger tensor.

    None is "not measured", but for ``gradient``, where it is what autograd returned.

    Attributes:
        name: name of the parameter, "crystal.cell_a"; with an index, "x[0]", for an element.
        label: short name for tables and figures.
        unit: unit of ``value``; empty for a number, or where it is unknown.
        value: value at the point of evaluation.
        leaf: the tensor that was handed over is a leaf of the graph.
        connected: the backward graph of the loss reaches it.
        gradient: derivative of the loss by autograd, in the loss's unit per ``unit``.
        finite_difference: derivative of the loss by differences, in the same unit.
        forward_derivative: derivative of the loss in forward mode.
        agreement: gradient and finite difference compared.
        magnitude: sum A over pixels of the absolute contributions to the derivative; None without an image.
        cancellation: part κ of A that remains in the gradient; None without an image.
        single: gradient in single precision.
        fresh: finite difference on rebuilt objects.
        verdict: the named cause; that of the second derivative where it is graver.
        second: second derivative, None where it was not asked for or the first derivative is at fault.
        elements: elements of a larger tensor whose gradient is zero, not finite or wrong; None where there are none.
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
    second: SecondDerivative | None = None
    elements: Elements | None = None


@dataclass(frozen=True)
class ImageSummary:
    """Pixel counts and extremes of the image at the point of evaluation.

    Attributes:
        pixels: number of pixels.
        lit: number of pixels that are not zero.
        total: sum over pixels, in photons for the simulator.
        largest: largest pixel, in photons for the simulator.
        finite: no pixel is NaN or infinite.
    """

    pixels: int
    lit: int
    total: float
    largest: float
    finite: bool


@dataclass(frozen=True)
class Stage:
    """A step of the physics. The adjoint of a quantity is the derivative of the loss by it.

    Attributes:
        name: name of the step: cell, vectors, scattering, hkl, lattice, structure factor, intensity, image, loss.
        elements: number of values.
        value: largest absolute value, in the step's unit.
        adjoint: largest absolute adjoint.
        signal: sum of |value x adjoint|, in the unit of the loss at every step: it shows where the signal dies.
        zero_values: number of values that are exactly zero.
        zero_adjoints: number of adjoints that are exactly zero.
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
    """A change of parameters that no pixel notices.

    Attributes:
        components: change of every parameter that takes part, in its unit; those below a hundredth are left out.
        eigenvalue: eigenvalue of the scaled information along it, zero up to rounding.
        known: reason, in words; empty if none is known.
    """

    components: dict[str, float]
    eigenvalue: float
    known: str


@dataclass(frozen=True)
class Fisher:
    """Fisher information of the image about n parameters under photon counting.

    Attributes:
        names: names of the parameters, in the order of rows and columns.
        matrix: information (n, n), in one over the units of its row and column.
        rank: rank of the matrix, scaled to unit diagonal.
        condition: ratio of its largest and smallest eigenvalue; infinite where the rank is less than n.
        standard_errors: least standard error (n,) of an estimate, in the parameters' units; None without an inverse.
        correlations: correlations (n, n) of estimates; None without an inverse.
        null_directions: changes that no pixel notices, n - rank of them.
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
    """A change that alone, or with the others of its report, puts signal into a dark image.

    Attributes:
        factor: factor of the intensity that is zero.
        change: what to change, in words.
        code: verdict's code where the factor is to blame.
        stage: step of the physics that it belongs to.
    """

    factor: str
    change: str
    code: str
    stage: str


@dataclass(frozen=True)
class Cost:
    """Cost of a diagnosis.

    Attributes:
        expected: evaluations of the loss that were announced; a gradient counts as three.
        evaluations: evaluations that were made.
        seconds: time that they took.
        complete: False where the budget stopped them.
    """

    expected: int
    evaluations: int
    seconds: float
    complete: bool
