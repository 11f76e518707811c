"""Finite differences: steps, extrapolation, error bar, and when a gradient agrees with them.

Central differences at three steps, each half of the one before, are extrapolated to step zero (Ridders 1982; the first
column is Richardson's). Where that does not settle, or shows another derivative than autograd, the whole ladder is
taken again at smaller and larger steps, over all the scales on which rounding leaves something to see; and the reason
is looked
for: a kink, a cusp, a jump, which no refinement removes, or noise. A gradient is judged against the sum A of the
absolute contributions of single pixels, never against the net alone, which may be a small rest of a large cancellation.
"""

import itertools
import math
import statistics
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

RealFunction = Callable[[float], float]
#: "cusp" is an infinite slope, "stairs" are jumps with nothing between them; "rough" is a function that scatters more
#: finely than the steps, by more than its arithmetic explains.
Pattern = Literal["smooth", "flat", "kink", "cusp", "jumps", "stairs", "rough", "unresolved"]
Agreement = Literal["agrees", "disagrees", "inconclusive", "zero", "missing", "not finite"]

#: Steps in a ladder, each half of the one before, and the ratio of one ladder to the next.
LEVELS = 3
RATIO = 8.0
#: Ladders by the power of the ratio that divides the first step: the usual ones, larger ones against rounding, and
#: small ones for a function whose natural scale has nothing to do with the parameter's value.
USUAL, LARGER, SMALLER = (0, 1, 2, 3), (-1, -2), tuple(range(4, 15))
#: Ladders of a glance, in the order in which they are tried.
GLANCES = (0, -1, 1)
#: A kink is a kink only if it is still one so many ladders below.
CLOSE_UP = 5
#: Error of the derivative as a part of a kink's width by which its place may be off.
KINK_IS_OFF = 1e-2
#: A ladder has settled when its error is this part of the derivative, or this part of the sum A.
SETTLED = 1e-4
SETTLED_OF_A = 1e-9
#: Halvings of an interval that is searched for a jump, and those at the end over which a jump loses nothing.
LEAST_HALVINGS, MOST_HALVINGS, LAST_HALVINGS = 12, 40, 4
#: Roundings in one value of the function, in units of its last place.
ROUNDINGS = 16.0
#: Part of the one-sided slopes that rounding leaves where they cancel.
CANCELLED = 1e-12
#: Patterns whose derivative is settled, so that a gradient which differs from it is wrong.
DECISIVE = frozenset({"smooth", "flat", "kink", "stairs"})
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
    return 1e-3 * ((abs(value) if math.isfinite(value) else 0.0) or 1.0)


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
    closest: float = 0.0,
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
        closest: step below which a kink is not looked at: from closer by, the precision of ``x`` puts it off the point.

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
    points = _Points(function, x, max(epsilon, 0.0), noise, closest)
    # A step is made exact in floating point, so that the quotient divides by what was really added.
    step = max((x + step) - x, points.least)
    ladders: dict[int, _Ladder] = {}
    found: tuple[Pattern, _Ladder] | None = None
    for power in _powers(points, step, expected):
        ladders[power] = _measure(points, step / RATIO**power, low, high)
        if power + 1 in ladders or power - 1 in ladders or power == 0:
            found = _accepted(points, ladders, power, magnitude, expected, low, high)
        if found is not None or _is_blind(ladders, power, expected, magnitude):
            break
    # Where no ladder bore the gradient out, the one that two neighbours agree on is the derivative.
    found = found or _undisputed(ladders, magnitude)
    pattern, best = found or (None, min(ladders.values(), key=lambda ladder: ladder.doubtful_error))
    jump = None
    if len(ladders) > 1 and pattern != "kink" and math.isfinite(points.at(x)):
        jump = _find_jump(points, max(low, x - step), min(high, x + step), best.steps[-1] if found else 0.0)
    if jump is not None:
        pattern = "stairs" if points.mostly_level() else "jumps"
    elif points.level():
        pattern = "flat"
    elif pattern is None and _is_cusp(ladders):
        pattern = "cusp"
    elif pattern is None:
        pattern = "rough" if best.settled(magnitude) else "unresolved"
    order = [*(ladder for ladder in ladders.values() if ladder is not best), best]
    return FiniteDifference(
        derivative=best.derivative,
        error=best.error if pattern in DECISIVE else best.doubtful_error,
        curvature=best.curvature,
        left=best.left,
        right=best.right,
        pattern=pattern,
        steps=tuple(h for ladder in order for h in ladder.steps),
        quotients=tuple(q for ladder in order for q in ladder.quotients),
        jump=jump,
        evaluations=len(points.known),
    )


def glance(
    function: RealFunction,
    x: float,
    step: float,
    *,
    sought: float,
    epsilon: float = sys.float_info.epsilon,
    noise: float = 0.0,
) -> tuple[float, float]:
    """Measure a derivative by as few values as show it to a tenth of what is looked for, by three ladders at most.

    Args:
        function: real function of one number.
        x: point of evaluation.
        step: first step, in the unit of ``x``.
        sought: size of the difference that is looked for, in the unit of the derivative.
        epsilon: rounding unit of the function's arithmetic.
        noise: absolute uncertainty of the function's values besides rounding.

    Returns:
        Derivative, and a bound of its error that covers the gap between left and right; infinite where it is not found.
    """
    points = _Points(function, x, epsilon, noise, 0.0)
    ladders: list[_Ladder] = []
    for power in GLANCES:
        ladders.append(_measure(points, max(step / RATIO**power, points.least), -math.inf, math.inf))
        if ladders[-1].doubtful_error <= 0.1 * sought:
            break
    best = min(ladders, key=lambda ladder: ladder.doubtful_error)
    return best.derivative, best.doubtful_error


def agreement(
    gradient: float | None, difference: FiniteDifference, magnitude: float | None = None, tolerance: float = 0.0
) -> Agreement:
    """Compare a gradient with the derivative that a finite difference measured.

    Args:
        gradient: derivative by autograd, None where there is none.
        difference: finite difference of the same function.
        magnitude: sum A of absolute contributions; without it the larger of the two derivatives stands in.
        tolerance: part of A by which a gradient may be off, such as the tolerance of a solver within the function.

    Returns:
        "agrees" within three error bars, 1e-9 A or the tolerance; "inconclusive" where the error bar is too wide to
        tell right from wrong, or the differences did not settle.
    """
    if gradient is None:
        return "missing"
    if not (math.isfinite(gradient) and math.isfinite(difference.derivative)):
        return "not finite"
    if gradient == 0 and difference.derivative == 0:
        return "zero"
    net = max(abs(gradient), abs(difference.derivative))
    total = max(net, magnitude or 0.0)
    allowed = max(3 * difference.error, max(SETTLED_OF_A, tolerance) * total)
    if abs(gradient - difference.derivative) > allowed:
        return "disagrees" if difference.pattern in DECISIVE else "inconclusive"
    undecided = allowed > RESOLVES * net and allowed > RESOLVES_OF_A * total
    return "inconclusive" if undecided else "agrees"


class _Points:
    """Memo of the function's values, each computed once, and their uncertainty.

    Args:
        function: real function of one number.
        x: point of evaluation.
        epsilon: rounding unit of its arithmetic.
        noise: absolute uncertainty of its values besides.
        closest: step below which a kink is not looked at.
    """

    def __init__(self, function: RealFunction, x: float, epsilon: float, noise: float, closest: float) -> None:
        self.function, self.x, self.epsilon, self.noise = function, x, epsilon, noise
        #: Smallest first steps, of any ladder and of one that looks at a kink.
        self.least = math.ulp(x) * 2**LEVELS
        self.closest = max(self.least, closest * 2**LEVELS)
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

    def _is_level(self, one: float, other: float) -> bool:
        return abs(one - other) <= self.noise + 2 * self.epsilon * max(abs(one), abs(other))

    def level(self) -> bool:
        """No value differs from another by more than the last place."""
        values = self.known.values()
        return self._is_level(max(values), min(values)) and not any(math.isnan(value) for value in values)

    def mostly_level(self) -> bool:
        """The function stands still between most of the points at which it was asked."""
        values = [self.known[x] for x in sorted(self.known)]
        still = sum(self._is_level(one, other) for one, other in itertools.pairwise(values))
        return 2 * still > len(values)


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

    def resolves(self, expected: float | None, magnitude: float) -> bool:
        """The error bar is narrow enough to tell a right gradient from a wrong one."""
        size = max(abs(self.derivative), abs(expected or 0.0) if math.isfinite(expected or 0.0) else 0.0)
        return self.error <= max(RESOLVES * size / 3, RESOLVES_OF_A * magnitude)

    def confirms_ladder(self, other: "_Ladder") -> bool:
        """Another ladder found the same derivative."""
        return abs(self.derivative - other.derivative) <= 3 * (self.error + other.error)

    def is_smooth(self, magnitude: float) -> bool:
        """The ladder has settled, and left and right show the same slope."""
        return self.settled(magnitude) and not self.gap > self.doubt

    def settled(self, magnitude: float) -> bool:
        """The error is small beside the derivative, the sum A, or rounding."""
        cancelled = CANCELLED * (abs(self.left) + abs(self.right))
        return self.error <= max(
            SETTLED * abs(self.derivative), SETTLED_OF_A * magnitude, 4 * self.rounding, _or_zero(cancelled)
        )


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
    # What rounding leaves after extrapolation: the smallest step counts, with the weights of its last combination. The
    # parameter is rounded too, as soon as anything is done with it.
    slope = max((abs(q) for q in (rise[-1], fall[-1]) if math.isfinite(q)), default=0.0)
    rounding = 2 * (points.uncertainty + points.epsilon * abs(x) * slope) / steps[-1]
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


def _find_jump(points: _Points, low: float, high: float, smooth: float) -> Jump | None:
    """Find a jump by halving an interval, keeping the half that departs more from a line.

    The departure of a smooth function shrinks with the interval, a jump stays.

    Args:
        points: values of the function.
        low: lower end of the interval.
        high: upper end.
        smooth: step at which the function is known to be smooth, 0 if none is: halving stops well below it.
    """
    edges = [low + (high - low) * i / 8 for i in range(9)]
    slope = _or_zero(statistics.median((points.at(b) - points.at(a)) / (b - a) for a, b in itertools.pairwise(edges)))

    def departure(a: float, b: float) -> float:
        return _or_zero(abs(points.at(b) - points.at(a) - slope * (b - a)))

    a, b = max(itertools.pairwise(edges), key=lambda pair: departure(*pair))
    departures = [departure(a, b)]
    for halving in range(MOST_HALVINGS):
        middle = (a + b) / 2
        if not a < middle < b or (halving >= LEAST_HALVINGS and b - a < smooth / 2**LAST_HALVINGS):
            break
        a, b = (a, middle) if departure(a, middle) >= departure(middle, b) else (middle, b)
        departures.append(departure(a, b))
        if departures[-1] <= max(0.01 * departures[0], 20 * points.uncertainty):
            return None
    stays = departures[-1] > 0.5 * departures[-1 - LAST_HALVINGS :][0]
    return Jump(a, points.at(b) - points.at(a)) if stays and departures[-1] > 20 * points.uncertainty else None


def _powers(points: _Points, step: float, expected: float | None) -> list[int]:
    """Powers of the ratio that divide the first step, in the order in which they are tried.

    A gradient tells the natural scale of its parameter: the step over which the function would change by a thousandth.
    """
    hint: list[int] = []
    value = points.at(points.x)
    if expected and math.isfinite(expected) and math.isfinite(value) and value:
        nearest = round(math.log(step * abs(expected) / (1e-3 * abs(value)), RATIO))
        hint = [nearest, nearest + 1, nearest - 1]
    wanted = dict.fromkeys((*USUAL, *(h for h in hint if LARGER[-1] <= h <= SMALLER[-1]), *LARGER, *SMALLER))
    return [power for power in wanted if step / RATIO**power >= points.least or power == 0]


def _is_blind(ladders: dict[int, _Ladder], power: int, expected: float | None, magnitude: float) -> bool:
    """Smaller steps show nothing more: without a gradient to test the usual ones do, and below them rounding
    decides."""
    if power < SMALLER[0]:
        return False
    if expected is None or not math.isfinite(expected):
        return True
    settled = [ladder.derivative for ladder in ladders.values() if ladder.settled(magnitude)]
    gap = min((abs(derivative - expected) for derivative in settled), default=0.0)
    return ladders[power].rounding > max(0.1 * gap, abs(expected))


def _accepted(
    points: _Points,
    ladders: dict[int, _Ladder],
    power: int,
    magnitude: float,
    expected: float | None,
    low: float,
    high: float,
) -> tuple[Pattern, _Ladder] | None:
    """Pattern that a ladder settles, and the ladder; None if another one is needed.

    A kink is as wide at every scale; a gap between left and right that changes with the scale is something else nearby.
    """
    last = ladders[power]
    bent = last.gap > last.doubt
    # A kink that is a little off the point leaves an error of its own.
    if not (last.settled(magnitude) or (bent and last.error <= KINK_IS_OFF * last.gap)):
        return None
    if bent:
        before = ladders.get(power - 1)
        if before is None or not abs(last.gap - before.gap) < 0.02 * last.gap:
            return None
        step = max(last.steps[0] / RATIO**CLOSE_UP, points.closest)
        near = _measure(points, step, low, high)
        stays = abs(near.gap - last.gap) < 0.1 * last.gap + 8 * near.rounding
        return ("kink", last) if stays else None
    # A gradient that rounding hides is borne out by any ladder; one that it blurs by a larger one, where there is any.
    hidden = expected is None or (0 in ladders and abs(expected) <= ladders[0].error)
    sharp = last.resolves(expected, magnitude) or (power in USUAL and hidden)
    # One that bears it out by its wide error bar alone is overruled by two sharper ones that show its derivative.
    sharper = [
        ladder
        for ladder in ladders.values()
        if ladder.error < last.error and ladder.is_smooth(magnitude) and ladder.confirms_ladder(last)
    ]
    overruled = sum(not ladder.confirms(expected, magnitude) for ladder in sharper) > 1
    return ("smooth", last) if sharp and last.confirms(expected, magnitude) and not overruled else None


def _undisputed(ladders: dict[int, _Ladder], magnitude: float) -> tuple[Pattern, _Ladder] | None:
    """The first ladder that is smooth and whose neighbour found the same derivative."""
    smooth = {power: ladder for power, ladder in ladders.items() if ladder.is_smooth(magnitude)}
    return next(
        (
            ("smooth", ladder)
            for power, ladder in smooth.items()
            if any(near in smooth and ladder.confirms_ladder(smooth[near]) for near in (power - 1, power + 1))
        ),
        None,
    )


def _is_cusp(ladders: dict[int, _Ladder]) -> bool:
    """The slope beside the point grows without end as the step falls, though not as fast as it would at a jump."""
    slopes = [max(abs(ladders[power].left), abs(ladders[power].right)) for power in USUAL if power in ladders]
    ratios = [fine / coarse if coarse else math.nan for coarse, fine in itertools.pairwise(slopes)]
    return len(ratios) > 1 and all(1.2 < ratio < 0.9 * RATIO for ratio in ratios)


def _or_inf(value: float) -> float:
    return math.inf if math.isnan(value) else value


def _or_zero(value: float) -> float:
    return 0.0 if math.isnan(value) else value
