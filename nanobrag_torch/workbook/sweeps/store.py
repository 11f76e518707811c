"""Points on disk: a file for each, whole or not there. What the disk holds is done, whatever a scheduler says."""

import os
import platform
from collections.abc import Iterator
from pathlib import Path

from nanobrag_torch.workbook import files
from nanobrag_torch.workbook.records.sweep import Point

#: Folder of the points in that of a sweep, and of the reports of points of grain "report".
POINTS, REPORTS = "points", "reports"
#: Folder of what is needed only while a sweep runs; no part of its report.
WORK = ".work"
#: Folder in it with a file for each point that is being computed: a line "process host" for each worker that began it.
_UNDERWAY = "underway"
_A_FOLDER = 1000


def place(sweep: Path, number: int) -> Path:
    """File of a point; a folder holds a thousand."""
    return sweep / POINTS / f"{number // _A_FOLDER:04d}" / f"{number:07d}.json"


def write(sweep: Path, point: Point) -> None:
    """Write a point; it appears under its name when it is whole."""
    path = place(sweep, point.number)
    path.parent.mkdir(parents=True, exist_ok=True)
    files.write(path, point.model_dump_json())


def read(sweep: Path, number: int) -> Point | None:
    """A point back from its file; None where it is not there, cannot be read, or is another point under this name."""
    try:
        point = files.read_record(place(sweep, number), Point)
    except files.Unreadable:
        return None
    return point if point.number == number else None


def finished(sweep: Path) -> Iterator[Point]:
    """Every point that is there, in the order of their numbers."""
    for folder in sorted((sweep / POINTS).glob("[0-9]*")):
        for path in files.within(folder, ".json"):
            point = read(sweep, int(path.stem)) if path.stem.isdigit() else None
            if point is not None:
                yield point


def begin(sweep: Path, number: int) -> tuple[str, ...]:
    """Note that this process begins a point, and return the "process host" of each that began it before and died."""
    path = _underway(sweep, number)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="utf-8") as stream:
        stream.seek(0)
        before = tuple(stream.read().splitlines())
        stream.write(f"{os.getpid()} {platform.node()}\n")
    return before


def begun(sweep: Path, number: int) -> bool:
    """Tell whether a point is being computed, or its worker died over it."""
    return _underway(sweep, number).exists()


def ended(sweep: Path, number: int) -> None:
    """Note that a point is no longer being computed: its file is written."""
    _underway(sweep, number).unlink(missing_ok=True)


def _underway(sweep: Path, number: int) -> Path:
    return sweep / WORK / _UNDERWAY / f"{number:07d}"
