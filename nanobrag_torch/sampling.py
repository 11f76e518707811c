"""Sampling rules of the C program for counts, ranges and steps, each a table of its cases.

None stands for "not given" throughout (docs/physics.md, Sources and Sensor).
"""

import math
from dataclasses import dataclass
from typing import Any

from nanobrag_torch.validation import LARGEST_COUNT, number_of


@dataclass(frozen=True)
class Steps:
    """A resolved sampling: ``count`` points, over ``range``, ``step`` apart, in the unit that went in."""

    count: int
    range: Any
    step: Any


def _given(value: Any, least: float) -> bool:
    """True where a value counts as given: C marks "unset" by a negative number."""
    number = number_of(value)
    return value is not None and (number is None or number >= least)


def rounded_up(ratio: float, what: str, tolerance: float = 0.0) -> int:
    """Smallest whole number that is not below a ratio; one that the ratio exceeds by rounding alone counts [B48].

    Args:
        ratio: Ratio of two quantities that were measured, rounded or calculated.
        what: What is counted, for the error.
        tolerance: Part of the ratio that is rounding.

    Raises:
        ValueError: The ratio is no number, or beyond the largest count.
    """
    if not ratio <= LARGEST_COUNT:
        raise ValueError(f"{what} would be {ratio:g}: at most {LARGEST_COUNT} can be counted. Check lengths and steps.")
    return math.ceil(ratio * (1 - tolerance))


def phi_sweep(count: int | None, oscillation: Any = None, step: Any = None, tolerance: float = 0.0) -> Steps:
    """Phi steps: an oscillation alone means two steps, a count alone one degree; ``tolerance`` as of ``rounded_up``."""
    has_osc = _given(oscillation, 0)
    positive_step = step is not None and (number_of(step) or 0) > 0
    if count is None or count < 0:
        if not has_osc:
            return Steps(2, step, step) if positive_step else Steps(1, 0.0, 0.0)
        if not positive_step:
            return Steps(2, oscillation, oscillation / 2)
        steps = rounded_up(_number(oscillation) / _number(step), "the number of phi steps", tolerance)
        return Steps(max(1, steps), oscillation, step)
    count = max(count, 1)
    if not has_osc:
        return Steps(2, step, step) if positive_step else Steps(count, 1.0, 1.0 / count)
    return Steps(count, oscillation, step if _given(step, 0) else oscillation / count)


def angular_range(
    count: int | None, full: Any = None, step: Any = None, default_full: float = 1.0, tolerance: float = 0.0
) -> Steps:
    """Divergence or dispersion: points from -full/2 on.

    Args:
        count: Number of points.
        full: Range.
        step: Step, in the unit of the range.
        default_full: Range that a count alone implies: 1 rad for divergence, 0 for dispersion.
        tolerance: As of ``rounded_up``.

    Returns:
        Count, range and step in the unit that went in; one point at zero where there is nothing to sample.
    """
    has_range, positive_step = _given(full, 0), step is not None and (number_of(step) or 0) > 0
    if count is None or count <= 0:
        if has_range:
            points = 2
            if positive_step:
                points = rounded_up(_number(full) / _number(step), "the number of steps in a range", tolerance)
            result = Steps(points, full, step if positive_step else full)
        else:
            result = Steps(2, step, step) if positive_step else Steps(1, 0.0, 0.0)
    elif not has_range:
        result = Steps(2, step, step) if positive_step else Steps(count, default_full, default_full / count)
    elif positive_step:
        result = Steps(count, full, step)
    else:
        points = max(count, 2)
        result = Steps(points, full, full / (points - 1))
    empty = _number(result.range) <= 0 or _number(result.step) <= 0 or result.count <= 0
    return Steps(1, 0.0, 0.0) if empty else result


def thickness_layers(count: int | None, thickness: Any, grid: str = "c") -> Steps:
    """Sensor layers. C's grid spreads n >= 2 layers over T*n/(n-1) [B08]; a partition divides T by n."""
    if _number(thickness) <= 0:
        return Steps(1, 0.0, 0.0)
    if count is None or count <= 0:
        return Steps(2, thickness, thickness / 2)
    if grid == "partition":
        return Steps(count, thickness, thickness / count)
    points = max(count, 2)
    return Steps(points, thickness, thickness / (points - 1))


def mosaic_domains(count: int | None, spread: Any) -> tuple[int, Any]:
    """(domains, spread): a spread alone means ten domains, domains without a spread are one."""
    if spread is None or _number(spread) <= 0:
        return 1, 0.0
    return (10 if count is None or count <= 0 else count), spread


def recommended_oversample(
    crystal_size: float, wavelength: float, distance: float, pixel_size: float, tolerance: float = 0.0
) -> int:
    """Sub-pixels per axis so that three of them cover a fringe.

    Args:
        crystal_size: Largest edge of the crystal, metres.
        wavelength: Wavelength, metres.
        distance: Distance of the detector, metres.
        pixel_size: Edge of a pixel, metres.
        tolerance: As of ``rounded_up``.
    """
    ratio = 3.0 * crystal_size / (wavelength * distance / pixel_size)
    return max(1, rounded_up(ratio, "the number of sub-pixels", tolerance))


def _number(value: Any) -> float:
    number = number_of(value)
    return 0.0 if number is None else number
