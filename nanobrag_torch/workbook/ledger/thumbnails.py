"""Thumbnails of figures, which an index carries within itself."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from nanobrag_torch.workbook import files
from nanobrag_torch.workbook.records.run import FIGURES, Caption
from nanobrag_torch.workbook.report.archive import Run
from nanobrag_torch.workbook.show import pictures

#: Thumbnails that an index carries at most.
MOST = 24


@dataclass(frozen=True)
class Thumbnail:
    """A small figure as base64 of a JPEG, its words, and the name of its file."""

    run: Run
    title: str
    alt: str
    image: str
    name: str

    @property
    def figure(self) -> str:
        """Path of the figure in full size, as seen from ``reports/``."""
        return f"{self.run.place}/{FIGURES}/{self.name}"


def gallery(runs: Iterable[Run]) -> tuple[Thumbnail, ...]:
    """Thumbnails of the latest finished run of every phase, the latest run first."""
    latest: dict[tuple[str, str], Run] = {}
    for run in runs:
        if run.manifest is not None:
            latest[run.initiative, run.phase] = run
    newest_first = sorted(latest.values(), key=lambda run: run.order, reverse=True)
    found = (thumbnail for run in newest_first for thumbnail in _of_run(run))
    return tuple(thumbnail for thumbnail, _ in zip(found, range(MOST), strict=False))


def _of_run(run: Run) -> Iterator[Thumbnail]:
    for path in files.within(run.folder / FIGURES, ".png"):
        try:
            words = files.read_record(path.with_suffix(".json"), Caption)
            image = pictures.small(path, path.stat().st_mtime)
        except (OSError, ValueError):
            continue
        yield Thumbnail(run, words.title, words.alt, image, path.name)
