"""Numbers with their standard errors in crystallographers' notation, 55.3232(14)."""

import math

#: Errors are written with two digits below this, and with one from here on: the rule of 19.
_TWO_DIGITS = 1.95


def value_with_error(value: float, sigma: float | None) -> str:
    """Write a value with its standard error in units of the last digit: 55.3232(14), 7.55(3)e+26, 104(2).

    Args:
        value: the value.
        sigma: its standard error; None where there is none, and then the value is written with six digits.
    """
    if sigma is None or not (math.isfinite(sigma) and sigma > 0) or not math.isfinite(value):
        return f"{value:.6g}"
    exponent = math.floor(math.log10(max(abs(value), sigma)))
    if exponent > 5 or exponent < -4:
        return f"{value_with_error(value / 10.0**exponent, sigma / 10.0**exponent)}e{exponent:+03d}"
    decimals = -math.floor(math.log10(sigma))
    decimals += sigma * 10.0**decimals < _TWO_DIGITS
    digits = round(sigma * 10.0**decimals)
    if decimals <= 0:
        unit = 10**-decimals
        return f"{round(value / unit) * unit}({digits * unit})"
    return f"{value:.{decimals}f}({digits})"
