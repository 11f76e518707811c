"""Points on disk: a file for each, whole or not there. What the disk holds is done, whatever a scheduler says."""

from collections.abc import Iterator
from pathlib import Path

from nanobrag_torch.workbook import files
from nanobrag_torch.workbook.records.sweep import Point

#: Folder of the points in that of a sweep, and of the reports of points of grain "report".
POINTS, REPORTS = "points", "reports"
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
    """A point back from its file; None where it is not there or cannot be read."""
    try:
        return files.read_record(place(sweep, number), Point)
    except files.Unreadable:
        return None


def finished(sweep: Path) -> Iterator[Point]:
    """Every point that is there, in the order of their numbers."""
    for folder in sorted((sweep / POINTS).glob("[0-9]*")):
        for path in files.within(folder, ".json"):
            point = read(sweep, int(path.stem)) if path.stem.isdigit() else None
            if point is not None:
                yield point
