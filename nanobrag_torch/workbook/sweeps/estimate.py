"""Cost of a sweep: time and disk, from one point that is measured or from reports that are there."""

import statistics
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from nanobrag_torch.workbook import files, project
from nanobrag_torch.workbook.records.run import Manifest
from nanobrag_torch.workbook.records.sweep import Specification
from nanobrag_torch.workbook.sweeps import evaluation

#: Bytes of a block of a disk: a file takes whole ones.
_BLOCK = 4096
#: Bytes of a point in the tables and on the page, beside those of its file.
_IN_TABLES = 600


@dataclass(frozen=True)
class Estimate:
    """Cost of a point: seconds, bytes, and where they are from; None where nothing is known."""

    seconds: float | None
    size: int | None
    source: str


def estimate(specification: Specification, reports: Path, root: Path) -> Estimate:
    """Cost of a point: measured where that needs no notebook, else the median over reports of the same notebook.

    Args:
        specification: the sweep.
        reports: folder of all reports.
        root: root of the project.
    """
    if specification.grain == "record":
        return _measured(specification, root)
    return _remembered(specification, reports)


def _measured(specification: Specification, root: Path) -> Estimate:
    """One point in the middle, computed here; the first time loads what a worker loads once."""
    middle = specification.count // 2
    evaluation.attempt(evaluation.evaluate, specification, middle, root, root)
    point = evaluation.attempt(evaluation.evaluate, specification, middle, root, root)
    size = _blocks(len(point.model_dump_json())) + _IN_TABLES
    failed = f"; it {point.status}: {point.cause}" if point.status != "done" else ""
    return Estimate(point.seconds, size, f"point {middle}, measured{failed}")


def _remembered(specification: Specification, reports: Path) -> Estimate:
    notebook = next((path for path in reversed(specification.inputs) if path.endswith(".ipynb")), specification.target)
    seconds, sizes = [], []
    for path in reports.glob("*/*/*/manifest.json"):
        try:
            manifest = files.read_record(path, Manifest)
            taken = datetime.fromisoformat(manifest.finished) - datetime.fromisoformat(manifest.started)
        except ValueError:
            continue
        if manifest.notebook == notebook and manifest.status in ("passed", "failed"):
            seconds.append(taken.total_seconds())
            sizes.append(sum(_blocks(each.stat().st_size) for each in files.names(path.parent).values()))
    if not seconds:
        return Estimate(None, None, f"no run of {notebook} below {project.REPORTS}/ yet")
    return Estimate(statistics.median(seconds), int(statistics.median(sizes)), f"{len(seconds)} runs of {notebook}")


def _blocks(size: int) -> int:
    return -(-size // _BLOCK) * _BLOCK
