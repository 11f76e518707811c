"""Checks of values, with errors that name the field, the value, what is allowed and what to do.

Every check accepts a number or a tensor. Under ``torch.func`` transforms a tensor may have no readable value; such a
tensor passes, since its values were checked when the point of evaluation was built.
"""

import math
from collections.abc import Iterable
from typing import Any

import torch


def number_of(value: Any) -> float | None:
    """The value as a Python float, outside any graph; None where it cannot be read (None, or a batched tensor).

    Raises ``TypeError`` for what is neither a number nor a one-element tensor.
    """
    if value is None:
        return None
    if isinstance(value, torch.Tensor):
        if value.numel() != 1:
            raise TypeError(f"expected one number, got a tensor of shape {tuple(value.shape)}")
        try:
            return float(value.detach())
        except RuntimeError:
            return None
    if isinstance(value, bool) or (not isinstance(value, (int, float)) and not hasattr(value, "__float__")):
        raise TypeError(f"expected a number or a 0-d tensor, got {type(value).__name__} {value!r}")
    try:
        return float(value)
    except OverflowError:  # an integer that no double holds
        return math.inf if value > 0 else -math.inf


def fail(owner: str, field: str, given: Any, allowed: str, remedy: str) -> ValueError:
    """The error that every check raises.

    Args:
        owner: Class or function that was given the value.
        field: Name of the field or argument.
        given: Value that was given.
        allowed: Values that are allowed, in words that follow "must be".
        remedy: Advice to the user.

    Returns:
        The error, to be raised.
    """
    shown = given.detach().tolist() if isinstance(given, torch.Tensor) and given.numel() <= 16 else given
    try:
        text = repr(shown)
    except ValueError:  # Python writes no integer of more than some thousand digits
        text = "an integer of very many digits"
    return ValueError(f"{owner}.{field} = {text}: must be {allowed}. {remedy}".rstrip())


#: Sizes of the numbers whose squares and cubes a double holds.
LEAST, LARGEST = 1e-100, 1e100


def check_range(
    owner: str,
    field: str,
    value: Any,
    low: float = -math.inf,
    high: float = math.inf,
    *,
    low_open: bool = False,
    high_open: bool = False,
    unit: str = "",
    remedy: str = "",
    optional: bool = False,
) -> None:
    """Raise ``ValueError`` unless ``value`` is a finite number within a range.

    Beside its own range every number is held below ``LARGEST``, and one that must be greater than 0 above ``LEAST``:
    their squares and cubes would overflow or vanish, and an image of NaN would be the answer.

    Args:
        owner: Class or function that was given the value.
        field: Name of the field or argument.
        value: Number or one-element tensor.
        low: Least value.
        high: Largest value.
        low_open: Exclude ``low`` itself.
        high_open: Exclude ``high`` itself.
        unit: Unit, for the message.
        remedy: Advice to the user.
        optional: Accept None.
    """
    if value is None and optional:
        return
    try:
        number = number_of(value)
    except TypeError as error:
        allowed = _describe(low, high, low_open, high_open, unit)
        raise fail(owner, field, value, allowed, str(error)) from None
    if number is None and value is not None:
        return
    if number is None:
        raise fail(owner, field, value, _describe(low, high, low_open, high_open, unit), remedy)
    if low == 0 and low_open and 0 < number < LEAST:
        raise fail(owner, field, value, f"at least {LEAST:g}: its powers are no numbers in double precision", remedy)
    if math.isfinite(number) and abs(number) > LARGEST:
        raise fail(owner, field, value, f"at most {LARGEST:g}: its powers are no numbers in double precision", remedy)
    below = number <= low if low_open else number < low
    above = number >= high if high_open else number > high
    if not math.isfinite(number) or below or above:
        raise fail(owner, field, value, _describe(low, high, low_open, high_open, unit), remedy)


def check_finite(owner: str, field: str, values: Any, length: int | None = None, remedy: str = "") -> None:
    """Raise ``ValueError`` unless every component is a finite number.

    Args:
        owner: Class or function that was given the values.
        field: Name of the field or argument.
        values: Tensor, or sequence of numbers and 0-d tensors.
        length: Number of components; None accepts any.
        remedy: Advice to the user.
    """
    if not isinstance(values, Iterable) or isinstance(values, str):
        raise fail(owner, field, values, f"{length or 'a list of'} numbers", remedy)
    items = list(values.reshape(-1)) if isinstance(values, torch.Tensor) else list(values)
    if length is not None and len(items) != length:
        raise fail(owner, field, values, f"{length} numbers", remedy)
    for index, item in enumerate(items):
        check_range(owner, f"{field}[{index}]", item, remedy=remedy)


def check_choice(owner: str, field: str, value: Any, choices: Iterable[Any], remedy: str = "") -> None:
    """Raise ``ValueError`` unless ``value`` is one of ``choices``.

    Args:
        owner: Class or function that was given the value.
        field: Name of the field or argument.
        value: Value that was given.
        choices: Values that are allowed.
        remedy: Advice to the user.
    """
    choices = list(choices)
    if value not in choices:
        raise fail(owner, field, value, "one of " + ", ".join(str(choice) for choice in choices), remedy)


def divisor(value: Any, degenerate: str, remedy: str, least: float = 0.0) -> Any:
    """A length, cosine or distance of a geometry that is about to be divided by, as it came.

    Every such division goes through here, so that a geometry that cannot be is one kind of error.

    Args:
        value: Number or one-element tensor.
        degenerate: What is wrong where it vanishes, as a sentence without its end.
        remedy: Advice to the user.
        least: Size up to which it counts as zero: what rounding leaves of one.

    Raises:
        ValueError: The value vanishes or is not finite.
    """
    number = number_of(value)
    if number is not None and not least < abs(number) < math.inf:
        raise ValueError(f"degenerate geometry: {degenerate}, so that something is divided by {number:.3g}. {remedy}")
    return value


#: Largest count that is accepted: what the C program's integers hold.
LARGEST_COUNT = 2**31 - 1


def check_count(
    owner: str,
    field: str,
    value: Any,
    low: int = 1,
    remedy: str = "",
    *,
    high: int = LARGEST_COUNT,
    automatic: tuple[int, ...] = (),
    optional: bool = False,
) -> None:
    """Raise ``ValueError`` unless ``value`` is an integer from ``low`` to ``high``.

    Args:
        owner: Class or function that was given the value.
        field: Name of the field or argument.
        value: Value that was given.
        low: Least integer.
        remedy: Advice to the user.
        high: Largest integer.
        automatic: Integers below ``low`` that leave the choice to a rule.
        optional: Accept None.
    """
    if value is None and optional:
        return
    whole = isinstance(value, int) and not isinstance(value, bool)
    if not whole or not (low <= value <= high or value in automatic):
        rule = "".join(f"{number} (automatic) or " for number in automatic)
        raise fail(owner, field, value, f"{rule}an integer of at least {low} and at most {high}", remedy)


def _describe(low: float, high: float, low_open: bool, high_open: bool, unit: str) -> str:
    unit = f" {unit}" if unit else ""
    if low == -math.inf and high == math.inf:
        return f"a finite number{unit and ' of' + unit}"
    left = "" if low == -math.inf else f"{'greater than' if low_open else 'at least'} {low:g}"
    right = "" if high == math.inf else f"{'less than' if high_open else 'at most'} {high:g}"
    return f"a finite number{unit and ' of' + unit}, {' and '.join(part for part in (left, right) if part)}"
