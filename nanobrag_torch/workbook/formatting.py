"""Numbers and texts for people."""

import math
import re
from typing import Protocol

#: Characters that act on a terminal or in a page instead of being seen: controls, surrogates, marks that turn the
#: direction of what follows, and code points that are no characters. Newlines and tabs are text.
_ACTING = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufdd0-\ufdef"
    + "".join(f"{chr(plane + 0xFFFE)}{chr(plane + 0xFFFF)}" for plane in range(0, 0x110000, 0x10000))
    + "]"
)
_COLOUR = re.compile(r"\x1b\[[\d;:]*m")


def number(value: float | None, digits: int = 10) -> str:
    """Text of a number: ``digits`` significant ones, a true minus sign, a dash where there is none."""
    return "–" if value is None else f"{value:.{digits}g}".replace("-", "−")


def with_error(value: float | None, error: float) -> str:
    """Text of a number with its error bar: twelve significant digits at most, none beyond that of the error."""
    if value is None or not (math.isfinite(value) and math.isfinite(error) and value and error > 0):
        return f"{number(value)} ± {number(error, 1)}"
    digits = math.floor(math.log10(abs(value))) - math.floor(math.log10(error)) + 1
    return f"{number(value, min(12, max(1, digits)))} ± {number(error, 1)}"


class Measured(Protocol):
    """A number with its unit, empty without one, and its error bar, None without one."""

    value: float
    unit: str
    error: float | None


def measured(entry: Measured, digits: int = 10) -> str:
    """Text of a number with error bar and unit: ``digits`` significant ones where it has no error bar."""
    value, error = entry.value, entry.error
    text = number(value, digits) if error is None else with_error(value, error)
    return f"{text} {in_words(entry.unit)}".rstrip()


def in_words(unit: str) -> str:
    """Text of a unit behind a number: "per Å" for "1/Å"."""
    return f"per {unit[2:]}" if unit.startswith("1/") else unit


def visible(text: str) -> str:
    """Text in which nothing acts: colours are left out, and every other control character is written as an escape."""
    if text.isprintable():
        return text
    lines = _COLOUR.sub("", text).replace("\r\n", "\n").replace("\r", "\n")
    return _ACTING.sub(lambda found: _escape(ord(found[0])), lines)


def _escape(code: int) -> str:
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
