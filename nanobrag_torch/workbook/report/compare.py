"""Two runs side by side: parameters, environment, numbers with their differences, figures with a difference image."""

import base64
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image, ImageChops

from nanobrag_torch.workbook import files
from nanobrag_torch.workbook.errors import InputError
from nanobrag_torch.workbook.formatting import number
from nanobrag_torch.workbook.records.base import KeyNumber
from nanobrag_torch.workbook.records.run import FIGURES, Manifest
from nanobrag_torch.workbook.report import archive as runs
from nanobrag_torch.workbook.report.archive import Run
from nanobrag_torch.workbook.show import pictures
from nanobrag_torch.workbook.show.html import environment, sealed

#: Widest figure that is drawn, in pixels.
WIDEST = 1100


@dataclass(frozen=True)
class Line:
    """Something that both runs state; None where a run does not. ``same`` says whether they agree."""

    name: str
    first: Any
    second: Any
    same: bool


@dataclass(frozen=True)
class NumberLine(Line):
    """A key number.

    Attributes:
        relative: difference as a part of the larger of the two.
        scaled: difference as a part of what counts.
        unit: unit of both.
        errors: error bars of the first and of the second; None where one is not known.
    """

    relative: float | None
    scaled: float | None
    unit: str = ""
    errors: tuple[float | None, float | None] = (None, None)

    @property
    def texts(self) -> tuple[str, str]:
        """Both numbers with all digits that are compared, and with their error bars."""
        first, second = (
            number(value) if error is None else f"{number(value)} ± {number(error, 1)}"
            for value, error in zip((self.first, self.second), self.errors, strict=True)
        )
        return first, second


@dataclass(frozen=True)
class Pair:
    """A figure of that name in both runs as base64 of PNG, their difference, and the part of pixels that differ."""

    name: str
    first: str
    second: str
    difference: str | None
    changed: float | None


@dataclass(frozen=True)
class ColumnLine:
    """A column of two sweeps.

    Attributes:
        name: its name.
        points: points of both that have it, and ``differing``, those of them that differ.
        relative: largest difference as a part of the larger number; None for texts, and where none differs.
        where: the point that differs most, in words.
    """

    name: str
    points: int
    differing: int
    relative: float | None
    where: str


@dataclass(frozen=True)
class Comparison:
    """Everything that the page of a comparison shows."""

    first: Run
    second: Run
    manifests: tuple[Manifest, Manifest]
    parameters: tuple[Line, ...]
    environment: tuple[Line, ...]
    numbers: tuple[NumberLine, ...]
    figures: tuple[Pair, ...]
    columns: tuple[ColumnLine, ...] = ()

    @property
    def different_numbers(self) -> tuple[NumberLine, ...]:
        """Key numbers further apart than rounding explains, or stated by one run alone."""
        return tuple(line for line in self.numbers if not line.same)


def compare(first: Path, second: Path) -> Comparison:
    """The reports in two folders side by side. Raises ``InputError`` where one of them is no finished report."""
    one, other = (runs.read(folder.resolve()) for folder in (first, second))
    manifests = (_manifest(one), _manifest(other))
    return Comparison(
        first=one,
        second=other,
        manifests=manifests,
        parameters=tuple(_lines(*map(_parameters, manifests))),
        environment=tuple(_lines(*map(_environment, manifests))),
        numbers=tuple(_numbers(manifests[0].numbers, manifests[1].numbers)),
        figures=tuple(_figures(one.folder / FIGURES, other.folder / FIGURES)),
    )


def html(comparison: Comparison) -> str:
    """The page: one file that needs nothing else."""
    return sealed(environment().get_template("comparison.html.j2").render(c=comparison))


def _manifest(run: Run) -> Manifest:
    if run.manifest is None:
        given = run.problem or run.status
        raise InputError.of("compare", str(run.folder.name), given, "the folder of a finished report", "Check it.")
    return run.manifest


def _parameters(manifest: Manifest) -> dict[str, Any]:
    return {name: entry.value for name, entry in manifest.parameters.items()}


def _environment(manifest: Manifest) -> dict[str, Any]:
    """Source and process of a run, flat."""
    seen = manifest.environment.model_dump() if manifest.environment else {}
    flat = {"commit": manifest.repository.commit, "uncommitted changes": manifest.repository.dirty}
    flat |= {"notebook": manifest.notebook, "notebook SHA-256": manifest.notebook_sha256}
    for name, value in seen.items():
        flat |= value if isinstance(value, dict) else {name: value}
    return flat


def _lines(first: Mapping[str, Any], second: Mapping[str, Any]) -> Iterator[Line]:
    for name in dict.fromkeys((*first, *second)):
        one, other = first.get(name), second.get(name)
        yield Line(name, one, other, one == other)


def _numbers(first: Mapping[str, KeyNumber], second: Mapping[str, KeyNumber]) -> Iterator[NumberLine]:
    for name in dict.fromkeys((*first, *second)):
        one, other = first.get(name), second.get(name)
        errors = (one.error if one else None, other.error if other else None)
        unit = " or ".join(dict.fromkeys(each.unit for each in (one, other) if each and each.unit))
        if one is None or other is None:
            yield NumberLine(name, one and one.value, other and other.value, False, None, None, unit, errors)
            continue
        apart = 0.0 if one.value == other.value else abs(one.value - other.value)  # equal infinities too
        larger, scale = max(abs(one.value), abs(other.value)), max(one.scale, other.scale)
        relative, scaled = (apart / size if size else 0.0 for size in (larger, scale))
        yield NumberLine(name, one.value, other.value, not one.differs(other), relative, scaled, unit, errors)


def _figures(first: Path, second: Path) -> Iterator[Pair]:
    twins = {path.name: path for path in files.within(second, ".png")}
    for path in files.within(first, ".png"):
        twin = twins.get(path.name)
        if twin is not None:
            try:
                yield _pair(path, twin)
            except ValueError:
                continue


def _pair(path: Path, twin: Path) -> Pair:
    one, other = map(pictures.load, (path, twin))
    if one.size != other.size:
        return Pair(path.stem, _png(one), _png(other), None, None)
    difference = ImageChops.difference(one, other)
    grey = difference.convert("L")
    changed = 1 - grey.histogram()[0] / (grey.width * grey.height)
    # Black where nothing changed would waste ink and hide faint changes; white paper shows both.
    return Pair(path.stem, _png(one), _png(other), _png(ImageChops.invert(difference)), changed)


def _png(image: Image.Image) -> str:
    copy = image.copy()
    copy.thumbnail((WIDEST, WIDEST))
    stream = io.BytesIO()
    copy.save(stream, "PNG", optimize=True)
    return base64.b64encode(stream.getvalue()).decode()
