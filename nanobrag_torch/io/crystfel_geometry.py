"""Geometry files of CrystFEL (``.geom``): panels, groups, bad regions, camera length and wavelength.

Every line is read, carried along where no image depends on it, or refused by its number. The frame is McStas': z along
the beam, y up. Source: the manual page ``crystfel_geometry``.
"""

import math
import os
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from nanobrag_torch.io.crystfel_lines import BAD_LIMITS, MASK, NEEDED, TOP, Line, Parsed, parse_geometry, real
from nanobrag_torch.io.description import (
    BeamDescription,
    Description,
    GroupDescription,
    PanelDescription,
)
from nanobrag_torch.io.files import check_ordinary, parsing, read_bytes, require
from nanobrag_torch.io.frames import as_vector
from nanobrag_torch.io.nexus_chain import array
from nanobrag_torch.units import energy_to_wavelength

WHAT = "geometry file"
REMEDY = "Check the file; the manual page crystfel_geometry describes it."

#: What may be left out although images depend on it.
WAIVABLE = ("mask",)


def read_geometry(
    filepath: str | os.PathLike[str], values: Mapping[str, float] | None = None, without: Collection[str] = ()
) -> Description:
    """Detector and beam of a geometry file of CrystFEL, in McStas' frame.

    Args:
        filepath: The ``.geom`` file.
        values: Numbers in place of the locations in image files that the geometry names, such as
            ``{"/LCLS/detector_1/EncoderValue": -450.0}``, in the unit that the geometry gives to the location.
        without: What is left out although images depend on it: "mask", the masks in files of their own.

    Raises:
        OSError: The file cannot be read.
        ValueError: The file is damaged or no geometry, or has what cannot be represented; the error names the file,
            the line and a remedy.
        ImportError: A mask is in an HDF5 file, and h5py is not installed.
    """
    check_ordinary(filepath, WHAT)
    content = read_bytes(filepath, WHAT)
    with parsing(filepath, WHAT, REMEDY):
        parsed = parse_geometry(content.decode("utf-8-sig", errors="replace"))
        check_locations(parsed, values or {})
        return assemble(parsed, values or {}, without=without)


class _Values:
    """Numbers of the file, or those given for locations in image files."""

    def __init__(self, values: Mapping[str, float]) -> None:
        self.values = values

    def of(self, line: Line, units: Mapping[str, float], bare: str, bare_location: str = "") -> float:
        """The value of a line in the base unit; the last word may be a unit."""
        text, unit = _split(line, units)
        try:
            number = float(text)
        except ValueError:
            if text not in self.values:
                allowed = f"a number: {text!r} lies in the image files"
                raise line.fail(allowed, f"Give it: values={{{text!r}: ...}}.") from None
            number, bare = float(self.values[text]), bare_location or bare
        if not abs(number) < 1e30:
            raise line.fail("a finite number")
        return number * units[unit or bare]


_LENGTH = {"m": 1e3, "mm": 1.0}
_ENERGY = {"eV": 1.0, "keV": 1e3, "MeV": 1e6}
_WAVELENGTH = {"m": 1e10, "A": 1.0, "": 1.0}
#: Quantities whose values may lie in the image files, and their units.
_LOCATED: dict[str, Mapping[str, float]] = {
    "clen": _LENGTH, "photon_energy": _ENERGY, "wavelength": _WAVELENGTH, "detector_shift_x": _LENGTH,
    "detector_shift_y": _LENGTH,
}  # fmt: skip


def _split(line: Line, units: Mapping[str, float]) -> tuple[str, str]:
    """The text of a line's value, and its unit where the last word is one."""
    text, _, unit = line.value.rpartition(" ")
    return (text.strip(), unit) if text and unit in units else (line.value.strip(), "")


def check_locations(parsed: Parsed, values: Mapping[str, float]) -> None:
    """Raise ``ValueError`` for a value of a location that the geometry does not name."""
    lines = [(key, parsed.top.get(key)) for key in _LOCATED]
    lines += [("clen", panel.get("clen")) for panel in parsed.panels.values()]
    named = {_split(line, _LOCATED[key])[0] for key, line in lines if line is not None}
    located = sorted(name for name in named if not _is_number(name))
    for name in values:
        if name not in located:
            known = ", ".join(located) or "none, all its values are numbers"
            raise ValueError(f"values[{name!r}]: must be of a location that the geometry names: {known}")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def assemble(
    parsed: Parsed,
    values: Mapping[str, float],
    clen_mm: float | None = None,
    wavelength_A: float | None = None,
    without: Collection[str] = (),
) -> Description:
    """The description that parsed lines amount to.

    Args:
        parsed: Lines of the file.
        values: Numbers for locations in image files.
        clen_mm: Camera length that takes the place of the file's, as a stream has one for each image.
        wavelength_A: Wavelength that takes the place of the file's, likewise.
        without: As for :func:`read_geometry`.
    """
    if set(without) - set(WAIVABLE):
        raise ValueError(f"without = {', '.join(sorted(without))}: must be of {', '.join(WAIVABLE)}")
    known = _Values(values)
    wavelength = _wavelength(parsed, known) if wavelength_A is None else wavelength_A
    shift = np.zeros(3)
    for index, name in enumerate(("detector_shift_x", "detector_shift_y")):
        if name in parsed.top:
            shift[index] = known.of(parsed.top[name], _LENGTH, "m")
    panels = []
    for name, fields in parsed.panels.items():
        distance = _distance(parsed, name, fields, known) if clen_mm is None else clen_mm
        panels.append(_panel(name, fields, distance, shift, wavelength, without))
    apart = len({_place(fields) for fields in parsed.panels.values()}) > 1
    if apart:  # panels that lie in different arrays share no raw image
        panels = [replace(panel, slab=None) for panel in panels]
    _draw_bad_regions(parsed, panels)
    members = _group_members(parsed)
    owners = _owners(members, [panel.name for panel in panels])
    bandwidth = real(parsed.top["bandwidth"]) if "bandwidth" in parsed.top else 0.0
    carried = {key: line.value for key, line in parsed.top.items() if key not in TOP}
    if parsed.groups:
        carried |= {f"rigid_group_{name}": line.value for name, line in parsed.rigid.items()}
    return Description(
        frame="McStas",
        beam=BeamDescription(wavelength_A=wavelength, bandwidth=bandwidth if bandwidth > 1e-7 else 0.0),
        panels=tuple(replace(panel, group=owners[panel.name]) for panel in panels),
        groups=_groups(members, panels),
        carried=carried,
    )


def _wavelength(parsed: Parsed, known: _Values) -> float:
    if "electron_voltage" in parsed.top:
        raise parsed.top["electron_voltage"].fail("left out: electrons scatter by other laws than X-rays")
    if "wavelength" in parsed.top:
        line = parsed.top["wavelength"]
        value = known.of(line, _WAVELENGTH, "A")
    elif "photon_energy" in parsed.top:
        line = parsed.top["photon_energy"]
        energy = known.of(line, _ENERGY, "eV")
        value = energy_to_wavelength(energy) if energy > 0 else 0.0
    else:
        raise ValueError("it has no wavelength: wavelength or photon_energy must be given")
    if not 1e-6 < value < 1e6:
        raise line.fail("greater than 0")
    return value


def _distance(parsed: Parsed, name: str, fields: dict[str, Any], known: _Values) -> float:
    """z of a panel before its own offset, mm."""
    line = fields.get("clen", parsed.top.get("clen"))
    if line is None:
        raise ValueError(f"panel {name!r} has no camera length: clen must be given")
    return known.of(line, _LENGTH, "m", "mm")


def _panel(
    name: str, fields: dict[str, Any], distance: float, shift: np.ndarray, wavelength: float, without: Collection[str]
) -> PanelDescription:
    missing = [key for key in NEEDED if key not in fields]
    if missing:
        raise ValueError(f"panel {name!r} has no {', '.join(missing)}: they must be given, in it or before it")
    if "adu_per_eV" in fields and "adu_per_photon" in fields:
        raise ValueError(f"panel {name!r} has adu_per_eV and adu_per_photon: one of them must be left out")
    size = (fields["max_fs"] - fields["min_fs"] + 1, fields["max_ss"] - fields["min_ss"] + 1)
    if min(size) < 1:
        raise ValueError(f"panel {name!r}: max_fs and max_ss must be at least min_fs and min_ss, not {size} pixels")
    edge = 1e3 / fields["res"]
    lengths = [math.hypot(*fields[axis]) for axis in ("fs", "ss")]
    fast, slow = (as_vector(np.array(fields[axis]) / n) for axis, n in zip(("fs", "ss"), lengths, strict=True))
    corner = np.array([fields["corner_x"] * edge, fields["corner_y"] * edge, distance + 1e3 * fields.get("coffset", 0)])
    gain = fields.get("adu_per_photon", 1.0)
    if "adu_per_eV" in fields:
        gain = fields["adu_per_eV"] * energy_to_wavelength(wavelength)  # the relation is its own inverse
    rim, (width, height) = fields.get("mask_edge_pixels", 0), size
    bad = [(0, 0, width, height)] if fields.get("no_index") or 2 * rim >= min(size) else []
    if rim and not bad:
        bad = [
            (0, 0, width, rim),
            (0, height - rim, width, height),
            (0, 0, rim, height),
            (width - rim, 0, width, height),
        ]
    lines = {key: value for key, value in fields.items() if isinstance(value, Line) and key != "clen"}
    return PanelDescription(
        name=name,
        size=size,
        pixel_mm=(edge * lengths[0], edge * lengths[1]),
        origin_mm=as_vector(corner + shift),
        fast=fast,
        slow=slow,
        trusted=(-1e30, fields["max_adu"]) if "max_adu" in fields else None,
        gain=gain,
        bad=tuple(bad),
        mask=None if "mask" in without else _mask(name, lines, fields, size),
        slab=(fields["min_fs"], fields["min_ss"]),
        carried={key: line.value for key, line in lines.items()},
    )


def _place(fields: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    """Array in which a panel's pixels lie: its location and the indices that choose from it."""
    lines = ((key, value.value) for key, value in fields.items() if isinstance(value, Line))
    return tuple(sorted((key, value) for key, value in lines if key == "data" or key.startswith("dim")))


def _mask(name: str, lines: dict[str, Line], fields: dict[str, Any], size: tuple[int, int]) -> np.ndarray | None:
    """Pixels (slow, fast) that the masks in files of their own leave; None where there are none.

    A mask without a file lies in the image files, which a geometry does not have; it is carried along.
    """
    masks: dict[str, dict[str, Line]] = {}
    for key, line in lines.items():
        if match := MASK.fullmatch(key):
            number, part = match.group(1) or "0", match.group(2) or "data"
            masks.setdefault(number, {})[part.removesuffix("bits")] = line
    good: np.ndarray | None = None
    for parts in masks.values():
        if "file" not in parts:
            continue
        if "data" not in parts:
            raise parts["file"].fail("given with the location of the mask, mask or maskN_data")
        found = _read_mask(name, parts, fields, size)
        good = found if good is None else good & found
    return good


def _read_mask(name: str, parts: dict[str, Line], fields: dict[str, Any], size: tuple[int, int]) -> np.ndarray:
    h5py = require("h5py", "Masks in HDF5 files")
    path, location = parts["file"].value, parts["data"].value
    remedy = "Check the mask, or read the geometry without 'mask' to leave it out."
    bits = {}
    for side in ("good", "bad"):
        try:
            bits[side] = int(parts[side].value, 0) if side in parts else 0
        except ValueError:
            raise parts[side].fail("a whole number, such as 0x00ff") from None
    try:
        with h5py.File(path, "r") as file:
            f0, s0 = fields["min_fs"], fields["min_ss"]
            values = array(file[location])[..., s0 : s0 + size[1], f0 : f0 + size[0]].astype(np.int64)
    except Exception as error:
        raise parts["file"].fail(f"an HDF5 file with {location} ({error})", remedy) from None
    if values.shape != size[::-1]:
        raise parts["data"].fail(f"an image that holds panel {name!r}, not of shape {values.shape}", remedy)
    bad: np.ndarray = ((values & bits["good"]) != bits["good"]) | ((values & bits["bad"]) != 0)
    return ~bad


def _draw_bad_regions(parsed: Parsed, panels: list[PanelDescription]) -> None:
    """Put every bad region into the panels that it touches; pixels whose centre lies within limits along x and y."""
    for name, lines in parsed.bad.items():
        kinds = [kind for kind, limits in BAD_LIMITS.items() if any(limit in lines for limit in limits)]
        first = next(iter(lines.values()))
        if len(kinds) != 1 or any(limit not in lines for limit in BAD_LIMITS[kinds[0]]):
            raise first.fail("one of four limits of a bad region, all along fs and ss, or all along x and y")
        low_f, high_f, low_s, high_s = (real(lines[limit]) for limit in BAD_LIMITS[kinds[0]])
        for index, panel in enumerate(panels):
            if kinds[0] == "fsss":
                owner = lines["panel"].value if "panel" in lines else (panels[0].name if len(panels) == 1 else None)
                if owner is None or owner not in parsed.panels:
                    raise lines.get("panel", first).fail(f"of a panel of the file: {name}/panel says which")
                if owner != panel.name:
                    continue
                f0, s0 = parsed.panels[owner]["min_fs"], parsed.panels[owner]["min_ss"]
                box = [int(low_f) - f0, int(low_s) - s0, int(high_f) + 1 - f0, int(high_s) + 1 - s0]
                panels[index] = replace(panel, bad=(*panel.bad, (box[0], box[1], box[2], box[3])))
                continue
            edge = np.array(parsed.panels[panel.name]["res"]) / 1e3
            inside = _within(panel, edge, (low_f, high_f), (low_s, high_s))
            if inside.any():
                good = ~inside if panel.mask is None else panel.mask & ~inside
                panels[index] = replace(panel, mask=good)


def _within(panel: PanelDescription, per_mm: Any, x: tuple[float, float], y: tuple[float, float]) -> np.ndarray:
    """Pixels (slow, fast) whose centre lies between limits in pixels from the beam."""
    replace(panel, bad=((0, 0, 1, 1),)).counting()  # refuses more pixels than memory holds
    f, s = np.arange(panel.size[0]) + 0.5, (np.arange(panel.size[1]) + 0.5)[:, None]
    inside = np.ones(panel.size[::-1], bool)
    for axis, (low, high) in enumerate((x, y)):
        step_f, step_s = panel.pixel_mm[0] * panel.fast[axis], panel.pixel_mm[1] * panel.slow[axis]
        place = (panel.origin_mm[axis] + f * step_f + s * step_s) * per_mm
        inside &= (place >= low) & (place <= high)
    return inside


def _group_members(parsed: Parsed) -> dict[str, frozenset[str]]:
    """Panels of every group: those of ``group_*`` lines, else of ``rigid_group_*`` lines."""
    lines = parsed.groups or parsed.rigid
    members: dict[str, frozenset[str]] = {}
    for name, line in lines.items():
        found: set[str] = set()
        for member in (part.strip() for part in line.value.split(",")):
            if member not in parsed.panels and member not in members:
                raise line.fail(f"a list of panels and of groups before it: {member!r} is neither")
            found |= members[member] if member in members and parsed.groups else {member}
        members[name] = frozenset(found)
    # A group of one group comes after it in the file and stands around it.
    places = {name: place for place, name in enumerate(members)}
    ordered = sorted(members, key=lambda name: (-len(members[name]), -places[name]))
    for index, name in enumerate(ordered):
        for other in ordered[:index]:
            if members[name] & members[other] and not members[name] <= members[other]:
                raise lines[name].fail(f"within group {other!r}, or apart from it: a panel stands in one group")
    return {name: members[name] for name in ordered}


def _owners(members: dict[str, frozenset[str]], panels: list[str]) -> dict[str, str]:
    """Smallest group of every panel; "" where it stands in none."""
    owners = dict.fromkeys(panels, "")
    for name, found in members.items():
        owners |= dict.fromkeys(found, name)
    return owners


def _groups(members: dict[str, frozenset[str]], panels: list[PanelDescription]) -> tuple[GroupDescription, ...]:
    """Groups about the centres of their panels, larger ones first."""
    centres = {panel.name: panel.positions(panel.size[0] / 2, panel.size[1] / 2) for panel in panels}
    found: list[GroupDescription] = []
    for index, (name, panel_names) in enumerate(members.items()):
        outer = [other for other in list(members)[:index] if panel_names <= members[other]]
        centre = np.mean([centres[each] for each in sorted(panel_names)], axis=0)
        found.append(GroupDescription(name, outer[-1] if outer else "", as_vector(centre)))
    return tuple(found)
