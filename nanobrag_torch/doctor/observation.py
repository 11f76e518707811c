"""Observations of one parameter: the measurements that the decision table is asked about."""

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from .elements import Search
from .finite_difference import Agreement, FiniteDifference
from .graph import BackwardGraph, BackwardNode
from .records import ImageSummary, Revival
from .subject import Coordinate, Subject
from .watch import Event, Watch

ROUNDING = frozenset({"Round", "Floor", "Ceil", "Trunc"})
CLAMPS = frozenset({"Clamp", "ClampMin", "ClampMax", "Relu", "Hardtanh", "Maximum", "Minimum", "Threshold"})
#: Part of the contributions by which a gradient may be off and still be right: solvers stop at a tolerance of their
#: own.
TOLERANCE = 1e-5
#: Two losses of the same values differ by no more than so many roundings, or the loss is random.
JITTER = 256
#: A part of A below which a net gradient is rounding.
ROUNDING_OF_A = 1e-9


@dataclass(frozen=True)
class SharedFacts:
    """Facts about the loss that hold for all parameters.

    Attributes:
        subject: the loss and its parameters.
        loss: value of the loss at the point of evaluation.
        repeats: the loss of two evaluations at the same values.
        requires_grad: the loss asks for a gradient.
        watch: events of the forward pass.
        graph: the backward graph and the gradients it gave.
        reverted: the backward pass uses the own parameters of a module that had others in the forward pass.
        second_error: message of a second backward pass through a graph kept from an earlier evaluation, or empty.
        image: photons (spixels, fpixels), or any shape of a model's image; None where there is none.
        weights: derivative of the loss by the image, in its shape.
        summary: pixel counts and extremes of the image.
        revivals: changes that put signal into a dark image.
        double_gradients: gradients in double precision by parameter, None where the graph does not reach it.
        single_gradients: the same in single precision.
        reference: gradients that the caller expected, by name.
        modes: gradients in every sampling mode, by mode and name; empty without a reference.
        precision: coarsest floating-point type on the way from the parameters to the loss.
        wide: the subject in double precision where it computes in less and can be widened; None otherwise.
        tolerance: part of the contributions by which a gradient may be off.
    """

    subject: Subject
    loss: float
    repeats: tuple[float, float]
    requires_grad: bool
    watch: Watch
    graph: BackwardGraph
    reverted: bool = False
    second_error: str = ""
    image: Tensor | None = None
    weights: Tensor | None = None
    summary: ImageSummary | None = None
    revivals: tuple[Revival, ...] = ()
    double_gradients: dict[str, Tensor | None] = field(default_factory=dict)
    single_gradients: dict[str, Tensor | None] = field(default_factory=dict)
    reference: dict[str, float] = field(default_factory=dict)
    modes: dict[str, dict[str, float]] = field(default_factory=dict)
    precision: torch.dtype = torch.float64
    wide: Subject | None = None
    tolerance: float = TOLERANCE

    @property
    def repeatable(self) -> bool:
        """The same values gave the same loss twice, to the rounding of sums whose order changes."""
        first, second = self.repeats
        if first == second or (math.isnan(first) and math.isnan(second)):
            return True
        rounding = JITTER * torch.finfo(self.precision).eps * max(abs(first), abs(second))
        return math.isfinite(rounding) and abs(first - second) <= rounding

    @property
    def examined(self) -> Subject:
        """The subject that finite differences are taken of: in double precision where that can be."""
        return self.wide or self.subject

    @property
    def noise(self) -> float:
        """Absolute uncertainty of a loss that does not repeat itself to the last bit."""
        gap = abs(self.repeats[0] - self.repeats[1])
        return 4 * gap if math.isfinite(gap) else 0.0

    @property
    def dark(self) -> bool:
        """There is an image, and every pixel of it is zero."""
        return self.summary is not None and self.summary.lit == 0

    @property
    def is_single(self) -> bool:
        """Something between parameters and loss is computed in less than double precision."""
        return self.precision is not torch.float64


@dataclass(frozen=True)
class Observation:
    """Measurements of one coordinate; None is "not measured".

    Attributes:
        shared: facts that hold for all parameters.
        coordinate: the number to differentiate by.
        gradient: derivative by autograd; None where the graph does not reach the parameter.
        difference: finite difference of the loss.
        forward: forward-mode derivative of the loss.
        response: sum over pixels of the absolute derivative of the image.
        magnitude: sum A over pixels of the absolute contributions to the derivative of the loss.
        peak_weight: largest absolute derivative of the loss by a pixel.
        agreement: gradient and finite difference compared.
        double: the gradient in double precision.
        single: the gradient in single precision.
        fresh: finite difference on rebuilt objects.
        far_slope: change of image or loss by a change that matters, as a slope; 0 for no change.
        alive_elsewhere: there is a gradient where the other parameters are changed much.
        culprit: event at which what the gradient lacks left the graph.
        explained: without what left the graph, the finite difference would be the gradient.
        carried: part of what the gradient lacks that the event in ``culprit`` alone accounts for; 0 where the finite
            difference without all such events is no nearer to the gradient.
        near_zero: the gradient a little away from a parameter that is zero.
        concentration: part of the difference between automatic and finite derivative that the worst hundredth of the
            pixels holds.
        search: search for elements whose gradient is wrong, of a tensor that is examined along a direction.
    """

    shared: SharedFacts
    coordinate: Coordinate
    gradient: float | None
    difference: FiniteDifference | None = None
    forward: float | None = None
    response: float | None = None
    magnitude: float | None = None
    peak_weight: float | None = None
    agreement: Agreement = "inconclusive"
    double: float | None = None
    single: float | None = None
    fresh: float | None = None
    far_slope: float | None = None
    alive_elsewhere: bool = False
    culprit: Event | None = None
    explained: bool = False
    carried: float = 0.0
    near_zero: float | None = None
    concentration: float | None = None
    search: Search | None = None

    @property
    def checked(self) -> float | None:
        """The gradient that finite differences are held against: in double precision where there is one."""
        return self.double if self.in_double else self.gradient

    @property
    def in_double(self) -> bool:
        """A gradient in single precision is held to the one in double, and that to the finite difference."""
        return self.shared.is_single and bool(self.shared.double_gradients) and self.gradient is not None

    @property
    def silent(self) -> bool:
        """No gradient, or one that is zero to rounding."""
        return self.is_rounding(self.gradient)

    def is_rounding(self, gradient: float | None) -> bool:
        """A gradient is missing, or changes the loss by no more than its rounding."""
        if gradient is None or gradient == 0:
            return True
        return self.effect(gradient) <= 2 * torch.finfo(self.shared.precision).eps * abs(self.shared.loss)

    @property
    def at_zero(self) -> bool:
        """The parameter is zero, not the position along a direction alone: each of its elements that would move is."""
        value = self.shared.subject.values[self.coordinate.parameter]
        return not bool((value * self.coordinate.direction.to(value)).any())

    @property
    def revives_near_zero(self) -> bool:
        """A gradient that disagrees at zero is, a little away, what the finite difference shows."""
        if self.near_zero is None or self.difference is None or self.agreement == "agrees":
            return False
        return abs(self.near_zero - self.difference.derivative) <= 0.5 * abs(self.difference.derivative)

    def effect(self, gradient: float) -> float:
        """Change of the loss that a gradient promises for a change that matters."""
        return abs(gradient) * max(self.coordinate.far, abs(self.coordinate.value))

    @property
    def hidden(self) -> bool:
        """A gradient as small as this, if any, the finite differences could not show."""
        if self.difference is None or self.responds:
            return False
        return self.silent or abs(self.gradient or 0.0) <= 3 * self.difference.error

    @property
    def far_changes(self) -> bool | None:
        """A change that matters changes image or loss; None where none was tried."""
        return None if self.far_slope is None else self.far_slope != 0

    @property
    def flat(self) -> bool:
        """The loss did not change at all over the finite differences."""
        return self.difference is not None and self.difference.pattern == "flat"

    @property
    def responds(self) -> bool:
        """The finite difference, or one side of it, is certainly not zero."""
        d = self.difference
        if d is None or not math.isfinite(d.derivative):
            return False
        return abs(d.derivative) > 3 * d.error or d.pattern in ("kink", "cusp")

    @property
    def pattern(self) -> str:
        """Dependence of the finite differences on the step; empty where none were taken."""
        return "" if self.difference is None else self.difference.pattern

    @property
    def cancellation(self) -> float | None:
        """Part κ of the contributions that remains in the net gradient."""
        if not self.magnitude or self.gradient is None:
            return None
        return abs(self.gradient) / self.magnitude

    @property
    def connected(self) -> bool:
        """The backward graph reaches the parameter."""
        return self.coordinate.parameter in self.shared.graph.reached

    @property
    def detached_at(self) -> tuple[Event, ...]:
        """Events at which a tensor that depends on the parameter left the graph."""
        return self.shared.watch.detached_at(self.coordinate.parameter)

    @property
    def zeroed_at(self) -> tuple[BackwardNode, ...]:
        """Nodes at which the backward signal on its way to the parameter became zero."""
        return self.shared.graph.zeroed_at.get(self.coordinate.parameter, ())

    def zeroed_by(self, operations: frozenset[str]) -> BackwardNode | None:
        """The first node that made the signal zero and is one of these operations."""
        return next((node for node in self.zeroed_at if node.operation in operations), None)
