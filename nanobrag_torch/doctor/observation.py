"""Everything that was seen of one parameter: what the decision table is asked about."""

import math
from dataclasses import dataclass, field

from torch import Tensor

from nanobrag_torch.doctor.finite_difference import Agreement, FiniteDifference
from nanobrag_torch.doctor.graph import Graph, Place
from nanobrag_torch.doctor.records import ImageStatistics, Revival
from nanobrag_torch.doctor.subject import Coordinate, Subject
from nanobrag_torch.doctor.watch import Event, Watch

ROUNDING = frozenset({"Round", "Floor", "Ceil", "Trunc"})
CLAMPS = frozenset({"Clamp", "ClampMin", "ClampMax", "Relu", "Hardtanh", "Maximum", "Minimum", "Threshold"})
#: A part of A below which a net gradient is rounding.
ROUNDING_OF_A = 1e-9


@dataclass
class Shared:
    """What holds for all parameters. ``weights`` is the derivative of the loss by the image."""

    subject: Subject
    loss: float
    repeats: tuple[float, float]
    requires_grad: bool
    watch: Watch
    graph: Graph
    second_error: str = ""
    image: Tensor | None = None
    weights: Tensor | None = None
    statistics: ImageStatistics | None = None
    revivals: tuple[Revival, ...] = ()
    double_gradients: dict[str, Tensor | None] = field(default_factory=dict)
    single_gradients: dict[str, Tensor | None] = field(default_factory=dict)
    reference: dict[str, float] = field(default_factory=dict)
    modes: dict[str, dict[str, float]] = field(default_factory=dict)

    @property
    def repeatable(self) -> bool:
        """Whether the same values gave the same loss twice."""
        first, second = self.repeats
        return first == second or (math.isnan(first) and math.isnan(second))

    @property
    def dark(self) -> bool:
        """Whether there is an image and every pixel of it is zero."""
        return self.statistics is not None and self.statistics.lit == 0

    @property
    def is_single(self) -> bool:
        """Whether the subject computes in single precision."""
        return "32" in str(self.subject.dtype)


@dataclass
class Observation:
    """What was seen of one coordinate.

    ``response`` is the sum over pixels of the absolute derivative of the image, ``magnitude`` that of the contributions
    to the loss. ``far_changes`` says whether a change that matters changes image or loss, ``near_zero`` is the gradient
    a little away from a parameter that is zero. ``concentration`` is the part of the difference between automatic and
    finite derivative that the worst hundredth of the pixels holds. None is "not looked at".
    """

    shared: Shared
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
    far_changes: bool | None = None
    near_zero: float | None = None
    concentration: float | None = None

    @property
    def silent(self) -> bool:
        """No gradient, or one that is exactly zero."""
        return self.gradient is None or self.gradient == 0

    @property
    def flat(self) -> bool:
        """Whether the loss did not change at all over the finite differences."""
        return self.difference is not None and self.difference.pattern == "flat"

    @property
    def responds(self) -> bool:
        """Whether the finite difference, or one side of it, is certainly not zero."""
        d = self.difference
        if d is None or not math.isfinite(d.derivative):
            return False
        return abs(d.derivative) > 3 * d.error or d.pattern == "kink"

    @property
    def pattern(self) -> str:
        """How the finite differences depend on the step."""
        return "" if self.difference is None else self.difference.pattern

    @property
    def cancellation(self) -> float | None:
        """The part of the contributions that remains in the net gradient."""
        if not self.magnitude or self.gradient is None:
            return None
        return abs(self.gradient) / self.magnitude

    @property
    def connected(self) -> bool:
        """Whether the backward graph reaches the parameter."""
        return self.coordinate.parameter in self.shared.graph.reached

    @property
    def severed(self) -> tuple[Event, ...]:
        """Where a tensor that depends on the parameter left the graph."""
        return tuple(e for e in self.shared.watch.severed if self.coordinate.parameter in e.leaves)

    @property
    def ends(self) -> tuple[Place, ...]:
        """Where the backward signal on its way to the parameter became zero."""
        return self.shared.graph.ends.get(self.coordinate.parameter, ())

    def ends_at(self, operations: frozenset[str]) -> Place | None:
        """The first end that is one of these operations."""
        return next((place for place in self.ends if place.operation in operations), None)
