"""Streams of CrystFEL: crystals found in serial images, read one image at a time.

A stream of any length is read in bounded memory. Vectors are in McStas' frame: z along the beam, y up.
Source: the stream format 2.3 of CrystFEL.
"""

import math
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from nanobrag_torch.conventions import Vector
from nanobrag_torch.io.crystfel_geometry import assemble, check_locations
from nanobrag_torch.io.crystfel_lines import Parsed, parse_geometry
from nanobrag_torch.io.description import CrystalDescription, Description, PanelDescription
from nanobrag_torch.io.files import check_ordinary, parsing, unreadable
from nanobrag_torch.io.frames import as_vector
from nanobrag_torch.units import energy_to_wavelength

WHAT = "stream"
REMEDY = "Check the file, or make it anew with indexamajig."

#: Longest line and longest geometry that are read, in characters and lines: more are of no stream.
LONGEST_LINE = 1 << 16
LONGEST_GEOMETRY = 1 << 18

_NUMBER = r"([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)"
_STAR = re.compile(rf"([abc])star = {_NUMBER} {_NUMBER} {_NUMBER} nm\^-1")
_CELL = re.compile(rf"Cell parameters {_NUMBER} {_NUMBER} {_NUMBER} nm, {_NUMBER} {_NUMBER} {_NUMBER} deg")
_SHIFT = re.compile(rf"predict_refine/det_shift x = {_NUMBER} y = {_NUMBER} mm")
_PAIR = re.compile(r"([^=]+?)\s*[=:]\s*(.*)")


@dataclass(frozen=True, eq=False)
class StreamCrystal:
    """A crystal that was found in an image.

    Attributes:
        stars: Reciprocal vectors (3, 3) in 1/Angstrom, one a row.
        cell: Edges in Angstrom and angles in degrees, as the stream says them.
        centering: Letter of the lattice's centring, "" where the stream has none.
        detector_shift_mm: Shift (x, y) of the detector that was refined with the crystal.
        notes: Other fields of the crystal, as they are.
    """

    stars: np.ndarray
    cell: tuple[float, ...]
    centering: str = ""
    detector_shift_mm: tuple[float, float] = (0.0, 0.0)
    notes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class StreamImage:
    """An image of a stream, and the crystals in it.

    Attributes:
        filename: File of the image.
        event: Place of the image in it, "" where the file holds one image.
        serial: Number of the image in the stream.
        wavelength_A: Wavelength of the shot, Angstrom; None where the stream has none.
        camera_length_mm: Camera length of the shot, mm; None where the stream has none.
        crystals: Crystals that were found.
        notes: Other fields of the image, as they are.
    """

    filename: str
    event: str = ""
    serial: int = 0
    wavelength_A: float | None = None
    camera_length_mm: float | None = None
    crystals: tuple[StreamCrystal, ...] = ()
    notes: Mapping[str, str] = field(default_factory=dict)


class Stream:
    """A stream on disk: its geometry, and its images one after the other, as often as they are asked for.

    Args:
        filepath: The ``.stream`` file.
        values: Numbers in place of the locations that its geometry names, as for ``read_geometry``.

    Attributes:
        geometry: Text of the geometry in the stream; "" where there is none.

    Raises:
        OSError: The file cannot be read.
        ValueError: It does not begin as a stream does.

    Example:
        ```python
        for experiment in read_stream("run.stream").experiments():
            print(experiment.images, experiment.crystal.stars())
        ```
    """

    def __init__(self, filepath: str | os.PathLike[str], values: Mapping[str, float] | None = None) -> None:
        self.filepath = Path(filepath)
        self.values = dict(values or {})
        self._made = lru_cache(maxsize=16)(self._panels_of)
        check_ordinary(filepath, WHAT)
        with self._lines() as lines, parsing(filepath, WHAT, REMEDY):
            if not lines.next().startswith("CrystFEL stream format 2."):
                raise lines.fail("'CrystFEL stream format 2.x'", "It is no stream of CrystFEL.")
            self.geometry = _geometry_text(lines)
            self._parsed: Parsed | None = parse_geometry(self.geometry) if self.geometry else None
            if self._parsed is not None:
                check_locations(self._parsed, self.values)

    def _lines(self) -> "_Lines":
        return _Lines(self.filepath)

    def __iter__(self) -> Iterator[StreamImage]:
        """Images in the order of the stream. Raises ``ValueError`` with the line that cannot be read."""
        with self._lines() as lines, parsing(self.filepath, WHAT, REMEDY):
            for text in lines:
                if text == "----- Begin chunk -----":
                    image = _image(lines)
                    yield image

    def experiments(self) -> Iterator[Description]:
        """One experiment for every crystal: the panels where its image had them, wavelength and crystal.

        Raises ``ValueError`` where the stream has no geometry, or it names locations that have no value.
        """
        for image in self:
            for number, crystal in enumerate(image.crystals):
                yield self.experiment(image, crystal, number)

    def experiment(self, image: StreamImage, crystal: StreamCrystal, number: int = 0) -> Description:
        """The experiment of one crystal of an image; crystals of one image share its beam and panels."""
        with parsing(self.filepath, WHAT, REMEDY):
            base = self._made(image.camera_length_mm, image.wavelength_A, crystal.detector_shift_mm)
            a, b, c = (as_vector(row) for row in np.linalg.inv(crystal.stars).T)
            name = "//".join(part for part in (image.filename, image.event) if part)
            notes = {"cell": crystal.cell, "centering": crystal.centering, **crystal.notes}
            return replace(
                base,
                crystal=CrystalDescription((a, b, c), carried=notes),
                images=(image.filename,),
                identifier=f"{name} #{number}" if number else name,
                carried={**base.carried, "event": image.event, "serial": image.serial},
            )

    def _panels_of(
        self, clen_mm: float | None, wavelength_A: float | None, shift_mm: tuple[float, float]
    ) -> Description:
        if self._parsed is None:
            raise ValueError("it has no geometry: read a stream that indexamajig wrote with its geometry file")
        # A value of the stream stands for a location in the images alone; a number in the geometry is the geometry's.
        length = clen_mm if _is_location(self._parsed, "clen", self.values) else None
        wave = wavelength_A if _is_location(self._parsed, "photon_energy", self.values) else None
        made = assemble(self._parsed, self.values, length, wave)
        x, y = shift_mm
        if x == y == 0:
            return made
        return replace(made, panels=tuple(_shifted(panel, x, y) for panel in made.panels))


def read_stream(filepath: str | os.PathLike[str], values: Mapping[str, float] | None = None) -> Stream:
    """A stream of CrystFEL, to be read image by image: :class:`Stream` says more.

    Args:
        filepath: The ``.stream`` file.
        values: Numbers in place of the locations in image files that its geometry names.

    Raises:
        OSError: The file cannot be read.
        ValueError: It is no stream, or its geometry is damaged.
    """
    return Stream(filepath, values)


def _shifted(panel: PanelDescription, x: float, y: float) -> PanelDescription:
    x0, y0, z0 = panel.origin_mm
    return replace(panel, origin_mm=(x0 + x, y0 + y, z0))


def _is_location(parsed: Parsed, key: str, values: Mapping[str, float]) -> bool:
    """True where a geometry says a location in the images for a quantity, and nobody gave its value."""
    line = parsed.top.get(key) or parsed.top.get("wavelength" if key == "photon_energy" else key)
    if line is None:
        return False
    word = line.value.split()[0] if line.value.split() else ""
    try:
        float(word)
    except ValueError:
        return word not in values
    return False


class _Lines:
    """Lines of a file, without their ends, and their numbers; never more of it in memory than a line."""

    def __init__(self, path: Path) -> None:
        self.path, self.number, self.text = path, 0, ""

    def __enter__(self) -> "_Lines":
        try:
            self.file = self.path.open(encoding="utf-8", errors="replace")
        except OSError as error:
            raise unreadable(self.path, WHAT, error) from None
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    def __iter__(self) -> Iterator[str]:
        while True:
            try:
                raw = self.file.readline(LONGEST_LINE)
            except OSError as error:
                raise unreadable(self.path, WHAT, error) from None
            if not raw:
                return
            self.number += 1
            self.text = raw.rstrip("\r\n")
            if len(raw) == LONGEST_LINE:
                raise self.fail(f"of fewer than {LONGEST_LINE} characters")
            yield self.text

    def next(self, until: str = "the first line") -> str:
        """The next line. Raises ``ValueError`` where the file ends before ``until``."""
        for text in self:
            return text
        raise ValueError(f"it ends after line {self.number}, before {until}")

    def past(self, end: str) -> None:
        """Pass over all lines up to the one that is ``end``."""
        while self.next(end) != end:
            pass

    def fail(self, allowed: str, remedy: str = "") -> ValueError:
        """The error that the present line is not ``allowed``."""
        shown = self.text if len(self.text) <= 80 else f"{self.text[:77]}..."
        return ValueError(f"line {self.number}, {shown!r}: must be {allowed}. {remedy}".rstrip())


def _geometry_text(lines: _Lines) -> str:
    """The geometry before the first image; "" where there is none."""
    for text in lines:
        if text == "----- Begin chunk -----":
            return ""
        if text == "----- Begin geometry file -----":
            break
    else:
        return ""
    found: list[str] = []
    while (text := lines.next("the end of the geometry")) != "----- End geometry file -----":
        found.append(text)
        if len(found) > LONGEST_GEOMETRY:
            raise lines.fail(f"the end of a geometry of at most {LONGEST_GEOMETRY} lines")
    return "\n".join(found)


def _image(lines: _Lines) -> StreamImage:
    notes: dict[str, str] = {}
    crystals: list[StreamCrystal] = []
    while (text := lines.next("the end of the chunk")) != "----- End chunk -----":
        if text == "--- Begin crystal":
            crystals.append(_crystal(lines))
        elif text == "Peaks from peak search":
            lines.past("End of peak list")
        elif text == "----- Begin chunk -----":
            raise lines.fail("the end of the chunk before")
        elif match := _PAIR.fullmatch(text):
            notes[match.group(1)] = match.group(2)
            if len(notes) > 10000:
                raise lines.fail("the end of a chunk of at most 10000 fields")
    energy = _field(lines, notes, "photon_energy_eV", lambda text: float(text.split()[0]))
    length = _field(lines, notes, "average_camera_length", _millimetres)
    if energy is not None and not 1e-3 < energy < 1e9:
        raise lines.fail(f"preceded by a photon energy above 0, not {energy:g} eV")
    return StreamImage(
        filename=notes.pop("Image filename", ""),
        event=notes.pop("Event", ""),
        serial=_field(lines, notes, "Image serial number", int) or 0,
        wavelength_A=None if energy is None else energy_to_wavelength(energy),
        camera_length_mm=length,
        crystals=tuple(crystals),
        notes=notes,
    )


def _field(lines: _Lines, notes: dict[str, str], name: str, read: Callable[[str], Any]) -> Any:
    """The value of a field, taken out of the notes; None where there is none."""
    text = notes.pop(name, None)
    if text is None:
        return None
    try:
        value = read(text)
    except (ValueError, IndexError, KeyError):
        value = math.nan
    if not abs(value) < 1e15:
        raise ValueError(f"chunk that ends at line {lines.number}: {name} = {text[:80]} must be a number")
    return value


def _millimetres(text: str) -> float:
    number, unit = text.split()[:2] if " " in text else (text, "m")
    return float(number) * {"m": 1e3, "mm": 1.0}[unit]


def _crystal(lines: _Lines) -> StreamCrystal:
    stars: dict[str, Vector] = {}
    notes: dict[str, str] = {}
    cell: tuple[float, ...] = ()
    shift = (0.0, 0.0)
    while (text := lines.next("the end of the crystal")) != "--- End crystal":
        if match := _STAR.fullmatch(text):
            x, y, z = (float(number) / 10 for number in match.groups()[1:])
            stars[match.group(1)] = (x, y, z)
        elif match := _CELL.fullmatch(text):
            numbers = [float(number) for number in match.groups()]
            cell = (*(10 * edge for edge in numbers[:3]), *numbers[3:])
        elif match := _SHIFT.fullmatch(text):
            shift = (float(match.group(1)), float(match.group(2)))
        elif text.startswith(("astar", "bstar", "cstar", "Cell parameters", "predict_refine/det_shift")):
            raise lines.fail(
                "numbers as in 'astar = +0.02 -0.01 +0.1 nm^-1' and 'Cell parameters 7 8 9 nm, 90 90 90 deg'"
            )
        elif text == "Reflections measured after indexing":
            lines.past("End of reflections")
        elif text.startswith("-----"):
            raise lines.fail("the end of the crystal before")
        elif match := _PAIR.fullmatch(text):
            notes[match.group(1)] = match.group(2)
            if len(notes) > 10000:
                raise lines.fail("the end of a crystal of at most 10000 fields")
    if sorted(stars) != ["a", "b", "c"]:
        raise lines.fail("preceded by astar, bstar and cstar")
    rows = np.array([stars[name] for name in "abc"])
    lengths = np.linalg.norm(rows, axis=1)
    if not (np.isfinite(rows).all() and (lengths > 1e-9).all() and (lengths < 1e3).all()):
        raise lines.fail("preceded by reciprocal vectors of a cell")
    if not abs(np.linalg.det(rows)) > 1e-6 * lengths.prod():
        raise lines.fail("preceded by reciprocal vectors that span a cell")
    return StreamCrystal(rows, cell, notes.pop("centering", ""), shift, notes)
