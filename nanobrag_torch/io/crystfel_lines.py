"""Lines of a geometry file of CrystFEL: what they assign, and to which panel, bad region or group."""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from nanobrag_torch.conventions import Vector

_TERM = re.compile(r"\s*([+-]?)\s*(\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?)?\s*\*?\s*([xyz])")
MASK = re.compile(r"mask(\d?)(?:_(data|file|good|bad|goodbits|badbits))?")
#: Fields of panels that no image depends on: where data lie, and how measured pixels are judged.
_CARRIED_PANEL = re.compile(r"data|dim\d+|flag_\w+|saturation_map(_file)?|badrow_direction|integr_radius|peak_sep")
_CARRIED_TOP = re.compile(r"peak_list|peak_list_type|peak_info_location|rigid_group_collection_\w+|rail_direction")
BAD_LIMITS = {"fsss": ("min_fs", "max_fs", "min_ss", "max_ss"), "xy": ("min_x", "max_x", "min_y", "max_y")}
#: Fields of the whole detector and beam.
TOP = ("clen", "photon_energy", "wavelength", "electron_voltage", "bandwidth", "detector_shift_x", "detector_shift_y")


class Line:
    """One assignment of the file, and its number."""

    def __init__(self, number: int, key: str, value: str) -> None:
        self.number, self.key, self.value = number, key, value

    def fail(self, allowed: str, remedy: str = "") -> ValueError:
        """The error that this line is not ``allowed``."""
        shown = self.value if len(self.value) <= 80 else f"{self.value[:77]}..."
        return ValueError(f"line {self.number}, {self.key} = {shown}: must be {allowed}. {remedy}".rstrip())


def real(line: Line, text: str | None = None) -> float:
    try:
        value = float(line.value if text is None else text)
    except ValueError:
        raise line.fail("a number") from None
    if not abs(value) < 1e30:
        raise line.fail("a finite number")
    return value


def _positive(line: Line) -> float:
    if not (value := real(line)) > 1e-30:
        raise line.fail("greater than 0")
    return value


def _whole(line: Line) -> int:
    value = real(line)
    if value != int(value) or not 0 <= value < 2**31:
        raise line.fail("a whole number of at least 0")
    return int(value)


def _flag(line: Line) -> bool:
    if line.value.lower() not in ("0", "1", "true", "false"):
        raise line.fail("0, 1, true or false")
    return line.value.lower() in ("1", "true")


def _direction(line: Line) -> Vector:
    """Components along x, y and z of an expression such as ``-0.99x +0.01y``."""
    found: dict[str, float] = {}
    position = 0
    while match := _TERM.match(line.value, position):
        sign, size, axis = match.groups()
        if axis in found or (found and not sign):
            break
        found[axis] = (-1.0 if sign == "-" else 1.0) * float(size or 1.0)
        position = match.end()
    vector = (found.get("x", 0.0), found.get("y", 0.0), found.get("z", 0.0))
    if line.value[position:].strip() or not 1e-3 < math.hypot(*vector) < 1e3:
        raise line.fail("a sum of x, y and z, each once with its factor, such as -0.99x +0.01y")
    return vector


#: Fields of a panel, and how their values are read.
_PANEL: dict[str, Callable[[Line], Any]] = {
    "min_fs": _whole, "max_fs": _whole, "min_ss": _whole, "max_ss": _whole, "corner_x": real, "corner_y": real,
    "coffset": real, "res": _positive, "fs": _direction, "ss": _direction, "adu_per_eV": _positive,
    "adu_per_photon": _positive, "max_adu": real, "no_index": _flag, "mask_edge_pixels": _whole,
}  # fmt: skip
NEEDED = ("min_fs", "max_fs", "min_ss", "max_ss", "corner_x", "corner_y", "res", "fs", "ss")


@dataclass
class Parsed:
    """The lines of a file by what they belong to, in their order."""

    top: dict[str, Line] = field(default_factory=dict)
    defaults: dict[str, Any] = field(default_factory=dict)
    panels: dict[str, dict[str, Any]] = field(default_factory=dict)
    bad: dict[str, dict[str, Line]] = field(default_factory=dict)
    groups: dict[str, Line] = field(default_factory=dict)
    rigid: dict[str, Line] = field(default_factory=dict)


def parse_geometry(text: str) -> Parsed:
    """The assignments of a geometry file. Raises ``ValueError`` with the line that cannot be read."""
    parsed = Parsed()
    for number, raw in enumerate(text.replace("\r", "\n").split("\n"), 1):
        content = raw.split(";", 1)[0].strip()
        if not content:
            continue
        key, equals, value = (part.strip() for part in content.partition("="))
        if not equals or not key:
            raise ValueError(f"line {number}, {content[:80]!r}: must be an assignment, name = value")
        _enter(parsed, Line(number, key, value))
    if not parsed.panels:
        raise ValueError("it describes no panel")
    return parsed


def _enter(parsed: Parsed, line: Line) -> None:
    owner, slash, name = line.key.partition("/")
    if not slash:
        if line.key.startswith("rigid_group_") and not _CARRIED_TOP.fullmatch(line.key):
            parsed.rigid[line.key.removeprefix("rigid_group_")] = line
        elif line.key.startswith("group_"):
            parsed.groups[line.key.removeprefix("group_")] = line
        elif line.key in TOP or _CARRIED_TOP.fullmatch(line.key):
            parsed.top[line.key] = line
        else:
            _enter_field(parsed.defaults, line, line.key)
    elif owner.startswith("bad"):
        if name not in (*BAD_LIMITS["fsss"], *BAD_LIMITS["xy"], "panel"):
            raise line.fail("a limit along fs, ss, x or y, or the panel, of a bad region")
        parsed.bad.setdefault(owner, {})[name] = line
    else:
        panel = parsed.panels.setdefault(owner, dict(parsed.defaults))
        _enter_field(panel, line, name)


def _enter_field(target: dict[str, Any], line: Line, name: str) -> None:
    if name in _PANEL:
        target[name] = _PANEL[name](line)
    elif name == "clen" or _CARRIED_PANEL.fullmatch(name) or MASK.fullmatch(name):
        target[name] = line
    else:
        near = ", ".join(sorted({*_PANEL, *TOP}))
        raise line.fail(f"left out: {name!r} is not known here", f"Known are {near}, data, dimN, flag_*, maskN_*.")
