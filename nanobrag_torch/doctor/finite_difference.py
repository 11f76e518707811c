"""Finite differences: steps, extrapolation, error bar, and when a gradient agrees with them.

Central differences at three steps, each half of the one before, are extrapolated to step zero (Ridders 1982; the first
column is Richardson's). Where that does not settle, the whole ladder is taken again at smaller steps, and the reason is
looked for: a jump, which no refinement removes, or noise. A gradient is judged against the sum A of the absolute
contributions of single pixels, never against the net alone, which may be a small rest of a large cancellation.
"""

import itertools
import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

RealFunction = Callable[[float], float]
#: "rough" is a function that scatters more finely than the steps, by more than its arithmetic explains.
Pattern = Literal["smooth", "flat", "kink", "jumps", "rough", "unresolved"]
Agreement = Literal["agrees", "disagrees", "inconclusive", "zero", "missing", "not finite"]

#: Steps in a ladder, each half of the one before, and how many ladders are tried, each from an eighth of the last.
LEVELS = 3
LADDERS = 4
#: A ladder has settled when its error is this part of the derivative, or this part of the sum A.
SETTLED = 1e-4
SETTLED_OF_A = 1e-9
#: Roundings in one value of the function, in units of its last place.
ROUNDINGS = 16.0
#: An error bar wider than these parts of derivative and A decides nothing.
RESOLVES = 1e-2
RESOLVES_OF_A = 1e-6


@dataclass(frozen=True)
class Jump:
    """A discontinuity of a function.

    Attributes:
        at: the nearest point on its left side, in the parameter's unit.
        height: change of the function across it.
    """

    at: float
    height: float


@dataclass(frozen=True)
class FiniteDifference:
    """A derivative without automatic differentiation.

    Attributes:
        derivative: limit of the difference quotients at step zero; NaN where values are not finite.
        error: bound of the error that truncation and rounding leave in it.
        curvature: second derivative, 0 where rounding hides it.
        left: one-sided derivative from below; NaN at a lower bound.
        right: one-sided derivative from above; NaN at an upper bound.
        pattern: dependence of the quotients on the step.
        steps: every step that was taken, in the parameter's unit.
        quotients: difference quotient at every step.
        jump: a discontinuity nearby, None where none was found.
        evaluations: number of values of the function that were computed.
    """

    derivative: float
    error: float
    curvature: float
    left: float
    right: float
    pattern: Pattern
    steps: tuple[float, ...]
    quotients: tuple[float, ...]
    jump: Jump | None
    evaluations: int


def default_step(value: float) -> float:
    """First step for a quantity of which nothing else is known: a thousandth of it, or of one."""
    return 1e-3 * (abs(value) or 1.0)


def differentiate(
    function: RealFunction,
    x: float,
    step: float,
    *,
    low: float = -math.inf,
    high: float = math.inf,
    expected: float | None = None,
    magnitude: float = 0.0,
    epsilon: float = sys.float_info.epsilon,
    noise: float = 0.0,
) -> FiniteDifference:
    """Measure the derivative of ``function`` at ``x`` by differences, from ``step`` downwards.

    Args:
        function: real function of one number. Values that are not finite make the result NaN, "unresolved".
        x: point of evaluation.
        step: first step, in the unit of ``x``.
        low: lower bound, below which the function is not called: differences at it are one-sided.
        high: upper bound, above which the function is not called.
        expected: gradient to be tested: a difference from it counts only if two ladders show it.
        magnitude: sum A of absolute contributions, 0 if it is not known.
        epsilon: rounding unit of the function's arithmetic.
        noise: absolute uncertainty of the function's values besides rounding.

    Returns:
        Derivative, error bar, one-sided derivatives, and every quotient that was measured.

    Raises:
        ValueError: the step is not positive, or leaves ``x`` no room between the bounds.

    Example:
        ```python
        differentiate(math.exp, 1.0, 1e-3).derivative  # 2.71828182...
        ```
    """
    if not (step > 0 and math.isfinite(step)):
        raise ValueError(f"step = {step!r}: must be a positive finite number. Leave it out for the usual one.")
    if x - step < low and x + step > high:
        raise ValueError(
            f"step = {step!r} at {x!r}: must fit between the bounds {low!r} and {high!r}. Give a smaller one."
        )
    points = _Points(function, x, max(epsilon, 0.0), noise)
    # A step is made exact in floating point, so that the quotient divides by what was really added.
    step = max((x + step) - x, math.ulp(x) * 2**LEVELS)
    ladders: list[_Ladder] = []
    pattern: Pattern | None = None
    for descent in range(LADDERS):
        ladders.append(_measure(points, step / 8**descent, low, high))
        pattern = _accepted(ladders, magnitude, expected)
        if pattern is not None:
            break
    best = ladders[-1] if pattern is not None else min(ladders, key=lambda ladder: ladder.doubtful_error)
    jump = None
    if len(ladders) > 1 and pattern != "kink" and math.isfinite(best.error):
        jump = _find_jump(points, max(low, x - step), min(high, x + step), best.derivative)
    if jump is not None:
        pattern = "jumps"
    elif pattern is None:
        pattern = "rough" if best.settled(magnitude) else "unresolved"
    elif all(value == points.at(x) for value in points.known.values()):
        pattern = "flat"
    return FiniteDifference(
        derivative=best.derivative,
        error=best.error if pattern in ("smooth", "flat", "kink") else best.doubtful_error,
        curvature=best.curvature,
        left=best.left,
        right=best.right,
        pattern=pattern,
        steps=tuple(h for ladder in ladders for h in ladder.steps),
        quotients=tuple(q for ladder in ladders for q in ladder.quotients),
        jump=jump,
        evaluations=len(points.known),
    )


def agreement(gradient: float | None, difference: FiniteDifference, magnitude: float | None = None) -> Agreement:
    """Compare a gradient with the derivative that a finite difference measured.

    Args:
        gradient: derivative by autograd, None where there is none.
        difference: finite difference of the same function.
        magnitude: sum A of absolute contributions; without it the larger of the two derivatives stands in.

    Returns:
        "agrees" within three error bars or 1e-9 A; "inconclusive" where the error bar is too wide to tell right from
        wrong.
    """
    if gradient is None:
        return "missing"
    if not (math.isfinite(gradient) and math.isfinite(difference.derivative)):
        return "not finite"
    if gradient == 0 and difference.derivative == 0:
        return "zero"
    net = max(abs(gradient), abs(difference.derivative))
    total = max(net, magnitude or 0.0)
    allowed = max(3 * difference.error, SETTLED_OF_A * total)
    if abs(gradient - difference.derivative) > allowed:
        return "disagrees"
    undecided = allowed > RESOLVES * net and allowed > RESOLVES_OF_A * total
    return "inconclusive" if undecided else "agrees"


class _Points:
    """Memo of the function's values, each computed once, and their uncertainty.

    Args:
        function: real function of one number.
        x: point of evaluation.
        epsilon: rounding unit of its arithmetic.
        noise: absolute uncertainty of its values besides.
    """

    def __init__(self, function: RealFunction, x: float, epsilon: float, noise: float) -> None:
        self.function, self.x, self.epsilon, self.noise = function, x, epsilon, noise
        self.known: dict[float, float] = {}

    def at(self, x: float) -> float:
        """Value of the function at ``x``."""
        if x not in self.known:
            self.known[x] = float(self.function(x))
        return self.known[x]

    @property
    def uncertainty(self) -> float:
        """Absolute uncertainty of one value."""
        return self.noise + ROUNDINGS * self.epsilon * abs(self.at(self.x))


@dataclass(frozen=True)
class _Ladder:
    """Difference quotients at steps h, h/2, h/4, and what their extrapolation to step zero gives."""

    steps: tuple[float, ...]
    quotients: tuple[float, ...]
    derivative: float
    error: float
    rounding: float
    curvature: float
    left: float
    right: float
    gap_error: float

    @property
    def gap(self) -> float:
        """Distance between the slopes to the left and to the right; NaN at a bound."""
        return abs(self.right - self.left)

    @property
    def doubt(self) -> float:
        """Largest gap that extrapolation and rounding explain."""
        return 3 * self.gap_error + 8 * self.rounding + 1e-6 * (abs(self.left) + abs(self.right))

    @property
    def doubtful_error(self) -> float:
        """Error, or the gap where left and right differ by more than they should."""
        gap = self.gap if self.gap > self.doubt else 0.0
        return max(_or_inf(self.error), gap)

    def confirms(self, expected: float | None, magnitude: float) -> bool:
        """A gradient is this ladder's derivative, or none was expected."""
        allowed = max(3 * self.error, SETTLED_OF_A * magnitude)
        return expected is None or not math.isfinite(expected) or abs(expected - self.derivative) <= allowed

    def confirms_ladder(self, other: "_Ladder") -> bool:
        """Another ladder found the same derivative."""
        return abs(self.derivative - other.derivative) <= 3 * (self.error + other.error)

    def settled(self, magnitude: float) -> bool:
        """The error is small beside the derivative, the sum A, or rounding."""
        tolerance = max(SETTLED * abs(self.derivative), SETTLED_OF_A * magnitude, 4 * self.rounding)
        return self.error <= tolerance


def _measure(points: _Points, step: float, low: float, high: float) -> _Ladder:
    """Take one ladder of differences.

    Args:
        points: values of the function.
        step: largest step.
        low: lower bound; NaN stands for quotients beyond it.
        high: upper bound.
    """
    x, centre = points.x, points.at(points.x)
    steps = tuple(step / 2**level for level in range(LEVELS))
    rise = [(points.at(x + h) - centre) / h if x + h <= high else math.nan for h in steps]
    fall = [(centre - points.at(x - h)) / h if x - h >= low else math.nan for h in steps]
    # What rounding leaves after extrapolation: the smallest step counts, with the weights of its last combination.
    rounding = 2 * points.uncertainty / steps[-1]
    left, left_error = _extrapolate(fall, (1, 2))
    right, right_error = _extrapolate(rise, (1, 2))
    if math.isnan(left) == math.isnan(right):
        quotients = [(r + f) / 2 for r, f in zip(rise, fall, strict=True)]
        derivative, error = _extrapolate(quotients, (2, 4))
        curvature = (rise[0] - fall[0]) / steps[0]
    else:
        quotients = fall if math.isnan(right) else rise
        derivative, error = (left, left_error) if math.isnan(right) else (right, right_error)
        curvature = 2 * abs(quotients[0] - quotients[-1]) / (steps[0] - steps[-1])
    if not abs(curvature) > 16 * points.uncertainty / steps[0] ** 2:
        curvature = 0.0
    _, gap_error = _extrapolate([r - f for r, f in zip(rise, fall, strict=True)], (1, 3))
    return _Ladder(
        steps, tuple(quotients), derivative, max(error, rounding), rounding, curvature, left, right, gap_error
    )


def _extrapolate(quotients: list[float], orders: tuple[int, ...]) -> tuple[float, float]:
    """Limit at step zero of quotients at steps h, h/2, h/4 whose errors go with the powers ``orders`` of the step, and
    its error: the distance of the last stages of the table, if halving the step shrinks the error as it should;
    otherwise the length of the whole extrapolation."""
    coarse, middle, fine = quotients
    weight = 2.0 ** orders[0]
    regular = weight / 1.5 < _ratio(coarse - middle, middle - fine) < weight * 1.5
    column = quotients
    for order in orders:
        before, factor = column, 2.0**order
        column = [(factor * small - large) / (factor - 1) for large, small in itertools.pairwise(column)]
    limit = column[-1]
    error = abs(limit - before[-1]) if regular else max(abs(limit - fine), abs(middle - fine))
    return (limit, error) if math.isfinite(limit) else (math.nan, math.inf)


def _ratio(one: float, other: float) -> float:
    return one / other if other else math.inf


def _find_jump(points: _Points, low: float, high: float, slope: float) -> Jump | None:
    """Find a jump by halving an interval 12 times, keeping the half that departs more from a line of that slope.

    The departure of a smooth function shrinks with the interval, a jump stays.

    Args:
        points: values of the function.
        low: lower end of the interval.
        high: upper end.
        slope: derivative without the jump.
    """

    def departure(a: float, b: float) -> float:
        return _or_zero(abs(points.at(b) - points.at(a) - slope * (b - a)))

    edges = [low + (high - low) * i / 8 for i in range(9)]
    a, b = max(itertools.pairwise(edges), key=lambda pair: departure(*pair))
    before = departure(a, b)
    for _ in range(12):
        middle = (a + b) / 2
        if not a < middle < b:
            break
        a, b = (a, middle) if departure(a, middle) >= departure(middle, b) else (middle, b)
    remains = departure(a, b) > max(0.01 * before, 20 * points.uncertainty)
    return Jump(a, points.at(b) - points.at(a)) if remains else None


def _accepted(ladders: list[_Ladder], magnitude: float, expected: float | None) -> Pattern | None:
    """Pattern that the last ladder settles, None if a finer one is needed.

    A kink is as wide at every scale; a gap between left and right that changes with the scale is something else nearby.
    """
    last = ladders[-1]
    if not last.settled(magnitude):
        return None
    before = ladders[-2] if len(ladders) > 1 else None
    if last.gap > last.doubt:
        return "kink" if before is not None and abs(last.gap - before.gap) < 0.02 * last.gap else None
    return "smooth" if last.confirms(expected, magnitude) or (before and last.confirms_ladder(before)) else None


def _or_inf(value: float) -> float:
    return math.inf if math.isnan(value) else value


def _or_zero(value: float) -> float:
    return 0.0 if math.isnan(value) else value
